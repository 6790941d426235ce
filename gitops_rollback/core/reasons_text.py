"""Each reason in words, three lines each: the word, what it says, what a person does. Lines with `#` are headings.

The reasons of guards stand in `reasons_text_guards`.
"""

DECIDING = """
# Nothing to do, or not yet
NoPolicy
  No policy names this application, so nothing is done for it.
  Add it to the targets of a policy if it shall be watched.
NoRecentSync
  No deployment of the application is under watch: the last one is older than the policy's `timing.window`.
  Nothing. A fault that begins now is not blamed on a deployment; a longer window would watch for longer.
Quiet
  A deployment is under watch, and no trigger says that it made anything worse.
  Nothing.
Pending
  A trigger is over its limit, but not yet for as long as its `for` says.
  Nothing; the next looks decide.
WarmingUp
  A trigger fires within the policy's `timing.initialDelay`, in which a start makes noise.
  Nothing; set a shorter initialDelay if your Pods are calm from the beginning.
StaleTick
  What a look found came too late to act on; it is measured anew at the next one.
  If it stays: look for slow answers of the metric source or the engine.
LogOnly
  A trigger of severity `log_only` fired. It stands in the journal, and nobody is told.
  Once you trust it, raise its severity to page_and_suggest, later to auto_rollback.
TriggerFired
  A trigger fired since the deployment, and what is to blame can be taken back.
  Nothing; read the rollback's own outcome.
AlreadyUndone
  The branch holds the state from before the suspect already. It is told if the engine has not applied that.
  Nothing, or make the engine apply the branch.
# Measuring did not work: never a reason to act
NoData
  The query gives no series, or no number. No data is neither healthy nor zero.
  Ask the query by hand; check its labels, the target's name ($SERVICE) and what scrapes it.
NoTraffic
  A ratio cannot be told: its `total` is zero, or below `minimumTraffic`.
  Nothing while nobody uses the service; else look at the query of `total`.
TelemetryLost
  The numbers vanished for many applications at once: the metric store is at fault, and no deployment.
  Mend the metric store; nothing is decided from it until it answers again.
AlertSuppressed
  The alert is silenced, muted or inhibited in Alertmanager: it fires nothing, and nothing is known to be well.
  End the silence once its work is done; the next looks decide.
MetricsUnavailable
  The metric source did not answer, or with an error of its own.
  Look at its address, its certificate and its health; `doctor` asks it once.
MetricsOutage
  The metric source answers for none of several applications, each of which is blind by it: one page speaks for all.
  Mend it; watches last as much longer as they saw nothing, and it says when it answers again.
QueryInvalid
  The metric source refuses the query as wrong.
  Run `lint`, and ask the query by hand.
QueryBudget
  More was to be asked than the settings allow for this source or tenant; it is asked again later.
  Raise `maxQueriesPerMinute`, ask less often (`timing.interval`), or have fewer triggers.
RemoteUnavailable
  Something that has to be asked over the network did not answer in time.
  Look at the network policy and at the remote; it is tried again.
OriginNotAllowed
  A policy names an address to which the controller's settings let nothing be sent.
  Add the origin to `allowOrigins` in the settings, if it is yours.
EngineUnavailable
  Argo CD or Flux's API server did not answer, or not in its own form.
  Look at the engine, its address and our account; `doctor` names missing rights.
EngineUnclear
  The engine contradicts itself, or does not say what it would have to (health Unknown, the application gone).
  Look at the application in the engine.
RepositoryUnavailable
  The config repository cannot be fetched for now.
  Look at the git server and the account; after ten minutes a person is told.
# Not this deployment, not this commit
NotOurs
  The fault was there before the deployment, or began under an earlier one.
  Look for another cause; a rollback of this deployment would not help.
NoBaseline
  How it was before the deployment is not known, so the deployment cannot be blamed.
  Nothing the first time; `baseline` in the trigger says how far back is looked.
NoLastGood
  The engine lists no earlier deployment to go back to.
  Name a state by hand: `gitops-rollback rollback APP --to SHA`.
NoSuspect
  Nothing was deployed to it that could explain the fault.
  Look outside of git: the cluster, a dependency, traffic.
SeveralSuspects
  Several commits can be to blame: the onset fits two deployments alike, or what would be left never ran here.
  Read the suspects in the plan, then approve it or name one: `rollback APP --revert SHA`.
SuspectUncertain
  The likeliest suspect is less likely than the policy's `suspects.threshold` asks for.
  Read the evidence, then approve or reject the plan.
OutsideInputs
  Commits were deployed, and none of them changes a file that the application renders from.
  If one of them does after all, name its files in the target's `paths`.
SharedInputsChanged
  Not everything that the application renders from could be followed, and files that it may use changed.
  Read the evidence; `paths` in the target settles it for the next time.
RestoresEarlierTree
  The commit that would be undone itself brought an earlier state back: a rollback by hand, most likely.
  Decide yourself; undoing somebody's rollback is never automatic.
NotOnFirstParent
  What was deployed is not on the branch's own line (first parents), so its range cannot be told.
  Look at how the branch was merged; roll back by hand with --revert.
OurOwnCommit
  What failed was brought by a rollback of ours. A rollback is never rolled back by itself.
  Look at it yourself; the page has the plans that are possible.
Superseded
  A newer deployment, or a newer state of the branch, took the place of what this was about.
  Nothing; the newer one is judged by itself.
# Limits that a person set, or that the controller sets itself
SuggestOnly
  The policy wants to be asked: severity `page_and_suggest`, or `delivery.mode: suggest`.
  Read the plan, then approve or reject it.
CheaperOtherwise
  The policy says `decision: cost`, and by its costs a rollback is not the cheapest way out, or not yet.
  `explain` shows each way with its cost and where each number comes from; set what is wrong in the policy's `costs`.
Suspended
  The policy says `suspend: true`: it is watched and told, and nothing is written.
  Set it to false once you want it to act.
Paused
  A person paused the application, or everything.
  `gitops-rollback resume APP` or `resume --all`, once the reason is over.
PauseUnreadable
  A pause file cannot be read, and what may forbid acting does forbid it.
  Mend or remove the file that the message names.
Silenced
  Messages about the application are not sent for a while. What is decided stays the same.
  Nothing: it ends by itself, or by `gitops-rollback silence APP --end`.
NoPolicyInForce
  No policy named the application before the judged commits, and a change cannot bring the policy that judges it.
  Nothing: from the next deployment on the policy counts.
PolicyInvalid
  A policy file, or the settings, cannot be used. The last valid policy goes on judging.
  Run `gitops-rollback lint .`: it names every fault with its line.
FeatureNotBuilt
  The policy asks for something that this version does not carry out, so a person is asked.
  Take the key out of the policy (`lint` names it), or approve the plan.
RepositoryMismatch
  The application is deployed from another repository, or another branch, than the policy lies in.
  Name other addresses of the same repository in `aliases`, or move the policy.
Cooldown
  A rollback of the application has just been made (`timing.cooldown`).
  Wait, or look whether the fault is another one.
BudgetSpent
  As many automatic rollbacks were made as the policy or the settings allow for that time.
  Look why there are so many; approve the plan, if it is right.
AlreadyRolledBack
  This revision was rolled back by itself before, and once is all.
  Find out why it came again, or ask for a rollback by hand.
MassEvent
  Many applications turned bad at once without a commit that they share: not the doing of many bad commits.
  Look at what they share: a node, a network, a database, the metric store.
Incident
  Several applications turned bad by the same commit: it is decided once, for all of them.
  Read the one rollback, the one question or the one pull request that the message names.
Rejected
  A person said no to this plan. It is not asked again for this deployment.
  Nothing, or `gitops-rollback rollback APP` if you change your mind.
Requested
  A person asked for it.
  Nothing; read its outcome.
Aborted
  A person stopped it between two steps.
  Look at `explain ID` for what was done by then, and decide on the rest.
"""

ACTING = """
# Writing
Drill
  Something was broken on purpose, to see that it is found and taken back; nothing real is wrong.
  Do as you would in earnest where it pages; `gitops-rollback drill` tells how it ends, and cleans up.
Heartbeat
  The way of a rollback is tried, or was: a real commit that changes nothing that runs.
  Nothing while it succeeds; else see `doctor`.
PushRejected
  The server refused the push.
  Read its words in the message; give the account the right to push.
BranchProtected
  A rule of the branch forbids our push.
  Name the forge in the settings, so that a pull request is opened; or let the account pass the rule.
BranchRewritten
  The branch does not contain the head any more that was read before: somebody forced a push.
  Take that back; or accept it, and remove the file that the message names.
RemoteRefLocked
  Another push held the branch, again and again.
  Nothing; it tries at the next look. If it stays, look for a stale lock on the server.
CredentialsRejected
  The other side knows us and says no.
  Renew the token or key; files are read again without a restart.
ForgeUnavailable
  The forge gave no usable answer, or asks for patience.
  Nothing at first; the plan waits for `approve` meanwhile.
ForgeRefused
  The forge understood and said no.
  Read its words; most often a scope of the token, or a rule.
NoForge
  The policy wants a pull request, and the settings name no forge for the repository.
  Add `forge: {kind: ...}` to the repository in the settings.
ForeignPush
  Somebody else pushed to the branch of our pull request. It is theirs now, and we never merge it.
  Merge or close it yourself.
PullRequestBlocked
  The pull request has not landed in time.
  The message has the forge's own words: an approval, a check, a conflict.
JournalLost
  The journal branch was there before, and is not any more. Nothing is done without it.
  Put it back from a clone; where there is none, `gitops-rollback journal rebuild` makes its records again.
JournalRewound
  The journal is older than what was read before.
  Find out who pushed to it; only the controller's account should be able to.
JournalUnwritable
  The journal cannot be pushed, so nothing is rolled back: it would be forgotten.
  Let the account push to gitops-rollback-journal.
JournalNewer
  A newer version of the controller wrote the journal.
  Upgrade this one.
DiskFull
  The disk of the state directory is full.
  Give it more room; what lies there may be deleted at any time.
LeaseLost
  Another replica may act for the repository by now, so this one writes nothing.
  Nothing; if it flaps, look at clocks and at the Kubernetes API.
# Step by step
FieldEdited
  Somebody set a field of the plan between two of its steps, or stopped the traffic after the last: their value stays.
  Look at the value; go on by hand, or ask for a rollback anew.
StepFailed
  It got worse after a step. What follows is the policy's `onCheckFailed`: jump to the last step, hold, or page.
  Read `explain ID`; where it holds, decide whether to go on or back.
GateShut
  Nothing shows that a step of a coordinated rollback has done what it is for, so it waits, and pages again and again.
  Read in the page what is missing, and how it ends safely: finish, or go back to the step before.
OldVersionStrained
  The version that takes over does not bear the traffic, so it holds by itself.
  Give the old version more room; it looks again by itself.
StrategyUnfit
  What the policy's strategy names (a file, a field, an object) is not there, or not as it must be.
  Mend the strategy in the policy, or approve the plain revert.
# Afterwards
OperationRunning
  An operation of the engine is still under way, and the sync of ours has to wait for it.
  Nothing; it is ended where it works on the bad revision.
HealthWait
  Flux waits for the health of the bad revision, and looks at nothing newer until then.
  Wait, or shorten `spec.timeout`; the feature gate CancelHealthCheckOnNewRevision ends it at once.
SyncTimeout
  The engine did not apply our commit, or a run of infrastructure was not over, within `syncTimeout`.
  Look at the application in the engine, or at what runs; the commit is on the branch.
SyncFailed
  The engine tried to apply our commit and failed.
  Read its message; mend what it names.
RunWaits
  A run of infrastructure waits for a person, after a revert that is applied; or it is open when the next one is ready.
  Read its plan where its tool shows it, and approve it there; or let it end before another rollback changes the same.
RunFailed
  The run of infrastructure that the revert caused failed. It is watched until the time-out, since its tool tries again.
  Read the message at the object or the commit status, and mend it there.
RunUnseen
  Nothing shows whether the run of changed infrastructure is over, so that is not verified; all else is good.
  Look at the run in its tool. For the next time, name `objects` or a `status` in the rule for these files.
VerificationTimeout
  It was applied, and not every check came true in time.
  Look at the checks in `explain ID`; the page has the plans that are possible.
StillBad
  It was applied, and the application is as bad as before: the culprit is another one.
  Approve one of the plans of the page, or fix forward.
Recreated
  The engine's object was deleted and made anew meanwhile, so its status says nothing of the old one.
  Look whether that was meant; ask for a rollback by hand if the fault goes on.
Overtaken
  A newer deployment on top of the rollback went bad before that was verified.
  Nothing; the newer one is judged by itself.
Verified
  The engine applied it, and every check held for as long as the policy asks.
  Fix the commit that was reverted, and land it anew.
InternalError
  A bug of ours. The work on everything else goes on.
  Report it, with the lines of the log or the crash file.
"""
