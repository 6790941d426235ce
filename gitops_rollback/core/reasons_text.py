"""Each reason in words, three lines each: the word, what it says, what a person does. Lines with `#` are headings."""

TEXT = """
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
  Several commits can be to blame, and what would be left after undoing them never ran here.
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
# Guards
Irreversible
  The plan changes objects of a kind that cannot surely go back and forth, such as a claim or a custom resource.
  Read the change; approve the plan, if it is safe.
MigrationRan
  A hook, Job or init container ran with the deployment, and may have changed data.
  Ask whoever wrote it whether the old code can live with the new data.
DataAtRisk
  Policy, commit or changed objects say that data may be at stake.
  Decide with its owner; `data: {rollback: safe, because: ...}` in the target settles it.
Quarantine
  The state that it would end in was taken back before, or holds what was.
  Read the journal, then approve or reject the plan.
CameBack
  What was rolled back has been landed again by a bot or a person. It is held, not reverted a second time.
  Stop whatever writes it, then decide.
UnknownGround
  Whether the state that it ends in ever ran here and was quiet cannot be told.
  Approve the plan if you know that state.
WrittenByAnother
  A machine writes these files and may write them again (a bot, an image updater).
  Make sure that nothing writes them again, then approve.
NotOnThisBranch
  The value that decides does not stand on the branch that we write.
  Change it where the message says that it stands.
NoCommit
  What runs is no commit of this repository, or a tag moved under the same commit.
  Look at the application's source and at the image; git has nothing to undo.
PendingChanges
  Commits wait on the branch that the engine has not deployed; a rollback would deploy them, too.
  Read them, then approve; or deploy them first.
ClaimedTwice
  Another application applies the same directory to the same place.
  Let one of the two go; until then each undoes the other.
RestartsNothing
  Only what Pods read at their start would change, and nothing restarts them.
  Approve the plan and restart the workload; a generator's hash or a reloader settles it for good.
LeftAlone
  The engine is told (by an annotation) not to apply changes of a changed object.
  Remove the annotation, or change the object by hand.
NoPath
  The suspect's deployment changed nothing in the cluster, so undoing it cannot help.
  Look for another cause.
WindowClosed
  A sync window of Argo CD forbids a sync now.
  Allow manual syncs in that window, or wait for its end.
# Guards, about Flux: a commit on the branch would not be applied
SuspendedApplication
  The Kustomization or HelmRelease is suspended.
  `flux resume` it, once whoever suspended it agrees.
SuspendedSource
  Its source, or the Kustomization that brings the HelmRelease, is suspended.
  `flux resume` that object.
PinnedSource
  The GitRepository follows a tag, a range of tags or a commit, and no branch.
  Let it follow a branch, or move the tag yourself.
NotGit
  What is applied does not come from git: an OCI artifact, a bucket, or an object that a person made.
  Roll back where it is built.
SourceNotReady
  The source cannot fetch; what it fetched last goes on being applied.
  Mend what `flux get sources git` says.
SourceMissing
  The source object is not there, or our account may not read it.
  Make it, or grant the right; `doctor` names it.
SignedCommitsOnly
  The GitRepository takes signed commits only, and ours bear no signature.
  Give the controller a signing key (`signingKeyFile`), and the source its public half.
DependencyBlocks
  Something that it depends on is suspended, missing or failed.
  Mend that first; the message names it.
# Guards, about what would come back
ImageAutomation
  An image automation would write the bad image into the branch again.
  Suspend it, or let the policy hold the image: `onImageAutomation: hold`.
ImageMissing
  An image that would come back is not in its registry any more.
  Push it again, or roll forward.
ImageUnknown
  Whether the image is there could not be told.
  Look whether the registry answers, and at `registries` in the settings.
Capacity
  Something would be smaller than what runs now (replicas, limits).
  Scale by hand in git, or approve the plan.
ProtectedPath
  The plan changes paths for which the policy, or the controller, asks a person.
  Approve the plan, if these paths may go back.
ForeignTenant
  Something of another tenant would be changed, or a policy reaches for it.
  Ask that team, then approve.
BlastRadius
  More targets or files would change than the policy allows.
  Read the plan; undo less by hand, or approve.
Schedule
  The policy forbids acting by itself at this time.
  Approve the plan, or wait for the end of that time.
Trailer
  A commit asks to be left (`Rollback-Safe: false`), or names a companion (`Rollback-With`) that is missing.
  Ask its author, then approve; or undo both.
GoesTogether
  Commits that must go back together stand in one plan, and that is not automatic.
  Read them all, then approve.
Floor
  A commit says that nothing before it may come back.
  Read why; roll forward, or decide.
RevertConflict
  The change cannot be taken back cleanly from the branch as it is now.
  Resolve it by hand; the message names file and lines.
Supersedes
  Later commits changed the same values, and would be taken back as well.
  Read what they are, then approve; `onSuperseded: allow-version-bumps` allows bumps of versions.
GateFailed
  The result would be no sound configuration: broken YAML, a conflict mark, a file that its command makes otherwise.
  Read the message; revert by hand.
UnknownRevision
  There is no such commit in the repository.
  Check the SHA, and that it is pushed.
AmbiguousRevision
  The short SHA may mean several commits.
  Give more digits.
RootCommit
  It is the first commit: there is nothing before it to go back to.
  Change the files by hand.
OctopusMerge
  A merge of more than two parents has no side that could be undone for certain.
  Revert the commits that it brought, one by one.
NoSuchParent
  The commit has no parent of that number.
  Leave the number out, or look at `git show`.
RequestInvalid
  A request file, or a command in a comment, cannot be carried out.
  Mend what the comment names, with its line and column.
GuardFailed
  A guard gave no answer of its own, and that is no yes.
  Read the guard's sentence in `explain`.
NotAutomatic
  By its policy a rollback of it always waits for a person.
  Nothing; this is what `preflight` tells beforehand.
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
  Somebody set a field of the plan between two of its steps, so it ends there: their value stays.
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
  The engine did not apply our commit within `delivery.syncTimeout`.
  Look at the application in the engine; the commit is on the branch.
SyncFailed
  The engine tried to apply our commit and failed.
  Read its message; mend what it names.
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
