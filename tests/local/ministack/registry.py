"""ECR. AWS says to the millisecond when an image was pushed; MiniStack to the second, so that two pushes of one second have
no order. AWS tells of each push by an event.

Shape: Amazon ECR user guide, "Amazon ECR events and EventBridge", event for a completed image push."""

import functools
import json
import time

import events
from ministack.services import ecr


def apply() -> None:
    ecr._put_image = _corrected(ecr._put_image, lambda data: data.get("repositoryName"))
    ecr._v2_put_manifest = _corrected(ecr._v2_put_manifest, lambda name, *_: name)


def _corrected(put, repository):
    @functools.wraps(put)
    def corrected(*arguments):
        name = repository(*arguments)
        before = _manifests(name)
        answer = put(*arguments)
        for image in ecr._images.get(name) or []:
            # Those that were just made; each is a whole number only once.
            if isinstance(image.get("imagePushedAt"), int):
                image["imagePushedAt"] = round(time.time(), 3)
        for digest, tags in _manifests(name).items():
            for tag in tags - before.get(digest, set()):
                _pushed(name, digest, tag)
            if digest not in before and not tags:
                _pushed(name, digest, None)
        return answer
    return corrected


def _manifests(name) -> dict:
    """The tags of each manifest of a repository."""
    return {image["imageDigest"]: set(image.get("imageTags") or []) for image in ecr._images.get(name) or []}


def _pushed(name, digest, tag) -> None:
    image = ecr._find_image(name, {"imageDigest": digest})
    manifest = json.loads(image["imageManifest"])
    config = manifest.get("config") or {}
    detail = {
        "result": "SUCCESS", "repository-name": name, "image-digest": digest, "action-type": "PUSH", "image-tag": tag,
        "manifest-media-type": image.get("imageManifestMediaType") or manifest.get("mediaType"),
        # What an artifact is: its own word, or the type of its configuration. An index has neither.
        "artifact-media-type": manifest.get("artifactType") or config.get("mediaType")}
    events.happened("aws.ecr", "ECR Image Action", [], {field: value for field, value in detail.items() if value})
