"""The coordinator's side of a study: its workspace, its key and the study, draft or frozen.

Owns opening them together. Knows nothing of mathematics or screens. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedcli.errors import BadStudy, FedcliError, NotFrozen, NoWorkspace
from fedcli.study.yaml import decode, load
from fedcli.workflow.files import OpenedStudy, open_study
from fedcli.workflow.models import OpenedModel, model_manifest
from fedcli.workflow.workspace import Workspace, find_workspace


@dataclass(frozen=True)
class CoordinatorSide:
    """Everything that a coordinator's command on a frozen study starts from."""

    workspace: Workspace
    study: OpenedStudy
    key: Path

    def parents(self, current: OpenedModel) -> frozenset[str]:
        """Return the digests that an update may continue.

        A request that repeats a round stands for the same state as the model that it repeats, so an update made from
        either is good; which attempt is wanted of whom is checked apart.
        """
        found = {current.parent}
        if current.manifest is None:
            return frozenset(found)
        step: str | None = current.manifest.parent if self.is_request(current) else None
        while step is not None:
            found.add(step)
            step = self._request_parent(step)
        return frozenset(found)

    def is_request(self, model: OpenedModel) -> bool:
        """Return whether a model repeats the round of the one that it continues."""
        manifest = model.manifest
        return manifest is not None and self._round_of(manifest.parent) == manifest.round

    def _round_of(self, digest: str) -> int | None:
        if digest == self.study.digest:
            return 0
        for path in self.workspace.outbox.glob("*.fedmodel"):
            try:
                manifest = model_manifest(path, self.study)
            except FedcliError:
                continue
            if manifest.digest() == digest:
                return manifest.round
        return None

    def _request_parent(self, digest: str) -> str | None:
        for path in self.workspace.outbox.glob("*.fedmodel"):
            try:
                manifest = model_manifest(path, self.study)
            except FedcliError:
                continue
            if manifest.digest() == digest and self._round_of(manifest.parent) == manifest.round:
                return manifest.parent
        return None


def open_workspace(root: Path | str) -> tuple[Workspace, Path]:
    """Open the coordinator's workspace, drafting or frozen, and return where its key is.

    Raises
    ------
    NoWorkspace, BadStudy
    """
    workspace = find_workspace(root)
    if workspace.role != "coordinator":
        raise NoWorkspace(
            "this is a silo's workspace", hint="go to the coordinator's: the one that 'fedcli study init' made"
        )
    name = workspace.settings.name
    settings = load(decode(workspace.settings.read_bytes(), name=name), name=name).value
    if not isinstance(settings, dict) or not isinstance(settings.get("key"), str):
        raise BadStudy("it names no key", hint="add a line 'key: NAME.fedkey'", where=workspace.settings.name)
    return workspace, workspace.root / settings["key"]


def open_coordinator(root: Path | str) -> CoordinatorSide:
    """Open the coordinator's workspace of a frozen study.

    Raises
    ------
    NoWorkspace, NotFrozen, TrustError
    """
    workspace, key = open_workspace(root)
    if workspace.study_file is None:
        raise NotFrozen("the study is still a draft", hint="freeze it first: fedcli study freeze")
    return CoordinatorSide(workspace, open_study(workspace.study_file), key)
