"""Published weights: timm's own download through the Hugging Face cache, at a pinned revision, with or without network.

What `HF_HUB_OFFLINE`, `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN` say is honoured: the true client does the work. A few
architectures (our AlexNet) have their weights at an address of their own instead; they go through PyTorch's cache.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from secateur.errors import SecateurError
from secateur.models.build import MAIN, arguments, register
from secateur.models.weights import sha256

OTHERS = "a backbone's weights may also be a file ({file: <path>}) or pretrained ({pretrain: <dataset>})."


def fetch(
    architecture: str, settings: dict[str, Any], revision: str, key: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The published weights of a timm architecture, downloaded unless they are in the cache.

    Args:
        architecture: timm's name, with or without the tag of one of its trainings ("resnet18.a1_in1k").
        settings: further arguments of timm.create_model.
        revision: commit, tag or branch of the hub's repository. Only a commit names the same bytes for ever.
        key: the option or config key that asked for them, for errors.

    Returns:
        The state dict with the published head (float32), and where it came from: `repository`, `revision` (the commit
        it came to), `asked` (the revision asked for), `file` and `sha256`.

    Raises:
        SecateurError: no published weights, not in the cache without network, unknown repository or revision, damaged
            file, no room, or weights that do not fit the arguments.
    """
    import timm

    from secateur.models import devices

    register(architecture)
    with _translated(architecture, key):
        published = timm.get_pretrained_cfg(architecture)
        repository = published and published.hf_hub_id
        address = str(published.url) if published and published.url else ""
        overlay: dict[str, Any] = {}
        if repository:
            overlay["hf_hub_id"] = f"{repository}@{revision}"
        elif address:
            _fetch_address(architecture, address, revision, key)
        else:
            raise SecateurError(f"{key}: there are no published weights of {architecture}; {OTHERS}")
        with devices.fork_rng():
            network = timm.create_model(
                architecture, pretrained=True, pretrained_cfg_overlay=overlay, **arguments({"arguments": settings})
            )
    about: dict[str, Any] = {"source": "hub"}
    if published and repository:
        path = _cached(repository, published.hf_hub_filename, revision)
        about |= {"repository": repository, "asked": revision, "revision": path.parent.name}
    else:
        path = _address_cache(address)
        about |= {"repository": address, "asked": None, "revision": None}
    return network.state_dict(), about | {"file": path.name, "sha256": sha256(path)}


def _cached(repository: str, filename: str | None, revision: str) -> Path:
    """The file in the Hugging Face cache that timm has just read: .../snapshots/<commit>/<file>."""
    from huggingface_hub import try_to_load_from_cache

    name = filename or "pytorch_model.bin"
    safe = name.replace(".bin", ".safetensors")  # timm takes a safetensors file where the repository has one
    for candidate in dict.fromkeys((safe.replace("pytorch_", ""), safe, name)):
        cached = try_to_load_from_cache(repository, candidate, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    raise SecateurError(f"{repository}: its weights vanished from the Hugging Face cache while they were read.")


def _address_cache(url: str) -> Path:
    from torch import hub

    return Path(hub.get_dir(), "checkpoints", url.rpartition("/")[2])


def _fetch_address(architecture: str, url: str, revision: str, key: str) -> None:
    """Get weights at an address of their own: no revisions there, but a hash in the name, and offline means offline."""
    from huggingface_hub import is_offline_mode

    if revision != MAIN:
        raise SecateurError(
            f"{key}: the weights of {architecture} are the one file {url}; it has no revision '{revision}'."
        )
    path = _address_cache(url)
    if not path.exists():
        if is_offline_mode():
            why = _absent(architecture, f"HF_HUB_OFFLINE is set and {path} does not exist")
            raise SecateurError(f"{key}: {why}")
        from torch import hub

        path.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(url, str(path), progress=False)
    stated = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if stated and not sha256(path).startswith(stated[1]):
        raise SecateurError(f"{key}: {path} is damaged: its SHA-256 does not begin with {stated[1]}. Remove it.")


def _absent(architecture: str, why: str) -> str:
    return (
        f"the weights of {architecture} are not in the cache and cannot be fetched ({why}). Run once with "
        f"network access, or copy the cache of a machine that has them (HF_HOME); {OTHERS}"
    )


@contextlib.contextmanager
def _translated(architecture: str, key: str) -> Iterator[None]:
    """Errors of timm, PyTorch and the hub's client as one sentence that says what to do."""
    from huggingface_hub import constants, errors, is_offline_mode
    from safetensors import SafetensorError

    place = constants.ENDPOINT
    problem = ""
    try:
        yield
    except errors.RevisionNotFoundError:
        problem = f"{place} has no such revision of {architecture}"
    except errors.RepositoryNotFoundError:
        problem = f"{place} has no repository of {architecture}, or asks for a token (HF_TOKEN)"
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        problem = _absent(architecture, "HF_HUB_OFFLINE is set" if is_offline_mode() else f"{place}: {_first(error)}")
    except errors.EntryNotFoundError as error:
        problem = f"the repository of {architecture} holds no weights file ({_first(error)})"
    except (SafetensorError, EOFError) as error:
        problem = f"the weights of {architecture} in {constants.HF_HUB_CACHE} are damaged ({error}); remove them"
    except (TypeError, RuntimeError, ValueError) as error:  # timm's own: arguments, an unknown tag, what does not fit
        problem = f"the published weights of {architecture} cannot be used: {_first(error)}"
    except OSError as error:  # the network, the disk
        problem = f"the weights of {architecture} could not be fetched: {_first(error)}"
    if problem:
        raise SecateurError(f"{key}: {problem.rstrip('.')}.")


def _first(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join((str(error) or type(error).__name__).split())[:400]
