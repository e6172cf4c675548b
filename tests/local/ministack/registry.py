"""ECR. AWS says to the millisecond when an image was pushed; MiniStack to the second, so that two pushes of one second have
no order."""

import functools
import time

from ministack.services import ecr


def apply() -> None:
    ecr._put_image = _to_the_millisecond(ecr._put_image, lambda data: data.get("repositoryName"))
    ecr._v2_put_manifest = _to_the_millisecond(ecr._v2_put_manifest, lambda name, *_: name)


def _to_the_millisecond(put, repository):
    @functools.wraps(put)
    def corrected(*arguments):
        answer = put(*arguments)
        for image in ecr._images.get(repository(*arguments)) or []:
            # Those that were just made; each is a whole number only once.
            if isinstance(image.get("imagePushedAt"), int):
                image["imagePushedAt"] = round(time.time(), 3)
        return answer
    return corrected
