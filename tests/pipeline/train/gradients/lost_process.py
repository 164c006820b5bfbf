"""`python -m train`, of which the second process ends as if it were killed after the update
LOST_AFTER; the others take a while to end, as on a busy machine."""

import os
import signal
import time
from functools import partial
from unittest import mock

import torch.distributed as dist

from train.cli import main
from train.optimize.fit import Fit
from train.persistence.checkpoints import Checkpoints

_after_update = Checkpoints._after_update


def lost(self: Checkpoints, fit: Fit) -> None:
    _after_update(self, fit)
    if os.environ["RANK"] == "1" and fit.state.updates == int(os.environ["LOST_AFTER"]):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with (
        mock.patch.object(Checkpoints, "_after_update", lost),
        mock.patch.object(dist, "destroy_process_group", partial(time.sleep, 2)),
    ):
        main()
