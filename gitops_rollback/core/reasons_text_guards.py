"""The reasons of guards in words, as in `reasons_text`."""

GUARDS = """
# Guards
Irreversible
  The plan changes objects of a kind that cannot surely go back and forth, such as a claim or a custom resource.
  Read the change; approve the plan, if it is safe.
DestroysResources
  The plan changes infrastructure, and the run that follows would destroy something, such as what the bad commit added.
  Let its tool show the plan of the revert, keep what must stay, then approve or reject the plan.
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
ChartMissing
  A version of a Helm chart that would come back is not in its repository any more.
  Publish it again, or roll forward.
ChartUnknown
  Whether that version of the chart is there could not be told.
  Look whether its repository answers, and at `chartRepositories` and `registries` in the settings.
VersionNotServed
  Objects would come back in a version of the API that the cluster does not serve: no engine could apply them.
  Write them in a version that it serves (`kubectl api-versions`), or fix forward.
ReferenceMissing
  A Secret or ConfigMap that the Pods of a rollback would need is not in the cluster any more.
  Create it again, or fix forward; where the Pods can do without it, mark it `optional: true`.
NotRehearsed
  The policy says `requireRehearsal`, and no rollback of these very contents was practised where the target says.
  Deploy them there, then `gitops-rollback drill` or roll back there; or approve the plan.
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
CascadeTooDeep
  More levels of dependants would go back before the culprit than the policy's `cascade.maxDepth` allows.
  Read the order in the plan, then approve it.
DependencyRolledBack
  It went bad after a rollback of something that it depends on, so its own last change is not to blame by that alone.
  Choose between its own plan, and landing again what it needs; the page names both.
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
"""
