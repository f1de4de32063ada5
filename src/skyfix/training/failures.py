"""What a step can fail of besides its data, as errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from skyfix.errors import SkyfixError
from skyfix.systems.system import System


@contextmanager
def told_failures(system: System, device: torch.device) -> Iterator[None]:
    """Tell of memory that does not suffice, and of what torch cannot compile.

    Raises:
        SkyfixError: instead of torch's own error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        size = system.recipe.sampler.batch_size
        raise SkyfixError(
            f"The memory of {device} does not hold a step of batch {size}. Free it from other "
            f"programs, or give --set sampler.batch_size={max(1, size // 2)} or "
            "--set optim.checkpointing=true."
        ) from error
    except Exception as error:
        # torch gives the errors of its compiler no public class.
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        cause = str(error).strip().splitlines()[0]
        raise SkyfixError(
            f"torch cannot compile {system.name} here: {cause} Leave out optim.compile."
        ) from error
