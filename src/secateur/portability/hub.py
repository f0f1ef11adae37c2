"""A folder with a pruned network to and from the Hugging Face hub, by the hub's own client."""

from pathlib import Path

from secateur.errors import SecateurError
from secateur.pruning.saved import DESCRIPTION, WEIGHTS, load

PREFIX = "hf-hub:"
"""Begins the name of a repository where a folder may stand too, as timm writes it."""
WANTED = (DESCRIPTION, WEIGHTS, "report.json")
NOT_SENT = ["__pycache__/*", "*.pyc", ".*"]


def push(folder: str | Path, repository: str, *, private: bool = False, message: str = "Add pruned network") -> str:
    """Send a folder, as `secateur prune` or `secateur.save` writes it, to the hub; returns its address there.

    Args:
        folder: is loaded first, so that nothing broken is sent.
        repository: "user/name"; made if it is not there.
        private: whether only its owner sees a new repository.
        message: of the commit.

    The hub's client finds its token as always (`hf auth login`, or HF_TOKEN), and the hub by HF_ENDPOINT.

    Raises SecateurError for a folder that holds no whole network, no token, no network, or what the hub refuses.
    """
    from huggingface_hub import HfApi, errors

    load(folder)
    api = HfApi(library_name="secateur")
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id, folder_path=str(folder), commit_message=message, ignore_patterns=NOT_SENT
        )
    except errors.HFValidationError as error:
        raise SecateurError(f"{repository}: is no name of a repository ({_first(error)}).") from None
    except Exception as error:  # the hub's answers, and those of whatever the client's versions reach it by
        raise SecateurError(
            f"{repository}: the hub did not take {folder} ({_first(error)}). Are you logged in (hf auth login), and is "
            "the repository yours?"
        ) from None
    return str(made)


def fetched(name: str) -> Path:
    """The folder in the hub's cache with a pruned network's files; `name` is "hf-hub:<user>/<name>[@<revision>]"."""
    from huggingface_hub import snapshot_download

    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None, allow_patterns=list(WANTED)))
    except Exception as error:  # the hub's answers, and those of whatever the client's versions reach it by
        raise SecateurError(f"{name}: cannot be fetched from the hub ({_first(error)}).") from None


def _first(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:300]
