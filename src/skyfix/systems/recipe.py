"""How a published system is trained: plain numbers, with the paper's values as defaults."""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from skyfix.errors import SkyfixError

AT_LEAST_ONE, AT_LEAST_TWO = {"least": 1}, {"least": 2}
"""Of settings that count something there must be one of."""


@dataclass(frozen=True)
class Optim:
    """Optimizer with two learning rates.

    Attributes:
        kind: ``sgd`` uses ``momentum`` and ``nesterov``; ``adam`` and ``adamw`` do not.
        lr: learning rate of the heads.
        backbone_scale: the backbone's rate is ``lr`` times this.
        clip_value: gradients are clipped to +- this, entry by entry; 0 leaves them alone.
        accumulate: batches whose gradients are averaged for one step.
        batch_of_lr: if above 0, the rates belong to this many images or places a step and grow in
            proportion to what a step really takes (batch size times ``accumulate``).
        checkpointing: the backbone forgets its inner maps and computes them again on the way back:
            less memory, more time.
        compile: the objective becomes one program of fused kernels (``torch.compile``): faster
            steps after a minute or two, so for long runs.
    """

    kind: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = 0.01
    backbone_scale: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = True
    clip_value: float = 0.0
    accumulate: int = field(default=1, metadata=AT_LEAST_ONE)
    batch_of_lr: int = 0
    checkpointing: bool = False
    compile: bool = False


@dataclass(frozen=True)
class Schedule:
    """Length of training and decay of the learning rate.

    Attributes:
        kind: ``step`` multiplies the rates by ``decay`` every ``decay_epochs``, ``multistep`` at
            each of ``milestones`` (epochs), ``cosine`` lets them fall to 0, ``constant`` keeps
            them.
        epochs: passes over the view with the fewest images.
        steps: if above 0, stop after this many steps instead.
        warmup_epochs: the rates rise linearly from 0 over this time.
    """

    kind: Literal["step", "multistep", "cosine", "constant"] = "step"
    epochs: int = field(default=120, metadata=AT_LEAST_ONE)
    steps: int = 0
    decay_epochs: int = field(default=80, metadata=AT_LEAST_ONE)
    decay: float = 0.1
    milestones: tuple[int, ...] = ()
    warmup_epochs: float = 0.0

    def total_steps(self, steps_per_epoch: int) -> int:
        """Steps of the whole training."""
        return self.steps or self.epochs * steps_per_epoch

    def factor(self, step: int, steps_per_epoch: int) -> float:
        """What the learning rates are multiplied by at a step (counted from 0)."""
        warmup = self.warmup_epochs * steps_per_epoch
        if step < warmup:
            return (step + 1) / (warmup + 1)
        epoch = step // steps_per_epoch
        if self.kind == "step":
            return self.decay ** (epoch // self.decay_epochs)
        if self.kind == "multistep":
            return self.decay ** sum(epoch >= milestone for milestone in self.milestones)
        if self.kind == "constant":
            return 1.0
        done = (step - warmup) / max(1.0, self.total_steps(steps_per_epoch) - warmup)
        return 0.5 * (1.0 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Augment:
    """Training transforms; numbers without a unit are probabilities of an image, or of a pair.

    A photo is an image of any view but the satellite one. The defaults are those of
    University-1652 and LPN.

    Attributes:
        pad_px: edge padding before the random crop back to the input size.
        satellite_rotation_deg: satellite images turn by a uniform angle of +- this, filled black.
        flip: horizontal mirroring, each image on its own.
        flipped: which images ``flip`` is for (MBF leaves the photos).
        joint_flip: horizontal mirroring of both images of a pair (``places`` and ``links``).
        quarter_turns: turn by 0, 90, 180 or 270 degrees, each as likely, the ``satellite`` image,
            the ``photo``, or the satellite image with its panorama rolled along (``joint``).
        jitter: colour jitter by ``satellite_jitter`` and ``photo_jitter``, each the largest change
            of brightness, contrast, saturation and hue.
        jpeg: compression noise of JPEG quality 90 to 100.
        blur: as often blurred as sharpened.
        dropped_patches: black squares, in a grid or scattered.
        photo_policy: AutoAugment's ImageNet policy for photos (MCCG).
        photo_turn: photos turn by any angle inside their inscribed square (DenseUAV).
        photo_perspective: photos are seen aslant (MBF).
        satellite_zoom: a centred square of random size is cut out of the satellite image (CVM-Net).
        photo_erasing, satellite_erasing: a rectangle becomes the mean colour.
        erased: largest share of the area that erasing takes.
    """

    pad_px: int = 10
    satellite_rotation_deg: float = 90.0
    flip: float = 0.5
    flipped: Literal["all", "satellite"] = "all"
    joint_flip: float = 0.0
    quarter_turns: Literal["none", "satellite", "photo", "joint"] = "none"
    jitter: float = 0.0
    satellite_jitter: tuple[float, ...] = (0.15, 0.15, 0.15, 0.15)
    photo_jitter: tuple[float, ...] = (0.15, 0.15, 0.15, 0.15)
    jpeg: float = 0.0
    blur: float = 0.0
    dropped_patches: float = 0.0
    photo_policy: float = 0.0
    photo_turn: float = 0.0
    photo_perspective: float = 0.0
    satellite_zoom: float = 0.0
    photo_erasing: float = 0.0
    satellite_erasing: float = 0.0
    erased: float = 0.4


@dataclass(frozen=True)
class Sampler:
    """How batches are drawn.

    Attributes:
        pairing: ``views`` shuffles each view on its own and runs them side by side (the loop of
            University-1652 and LPN); ``places`` draws places, each once an epoch, and a random
            image of each view of every place, so that row i shows the same place in all views;
            ``links`` draws linked pairs of photo and tile, each once an epoch, and none that is
            linked to another of its batch (Game4Loc). Data sets without links are drawn by places.
        batch_size: images (``views``) or places (``places``) or pairs (``links``) in one batch.
        images_per_place: ``places`` only: images of each place in all views but the satellite
            one, one after the other.
        repeats: ``places`` only: every place is drawn this many times in a row (FSRA).
        keep_last: an incomplete last batch of an epoch is not left out (SUES-200).
        mining: ``places`` only, batches of places that are easily confused (Sample4Geo): near each
            other (``positions``), or alike for the system itself (``similarity``; before the first
            ``mined_every`` epochs are over, near each other, if the data tell positions).
        neighbours: places that may join a place in its batch: the nearest quarter of them, and a
            random third of the others.
        mined_every: epochs between two looks at what is alike.
        semi_positives: ``links`` only: pairs that overlap too little to count train as well.
    """

    pairing: Literal["views", "places", "links"] = "views"
    batch_size: int = field(default=8, metadata=AT_LEAST_TWO)
    images_per_place: int = field(default=1, metadata=AT_LEAST_ONE)
    repeats: int = field(default=1, metadata=AT_LEAST_ONE)
    keep_last: bool = False
    mining: Literal["none", "positions", "similarity"] = "none"
    neighbours: int = field(default=128, metadata=AT_LEAST_ONE)
    mined_every: int = field(default=4, metadata=AT_LEAST_ONE)
    semi_positives: bool = True


@dataclass(frozen=True)
class Validation:
    """Which state of a run becomes its checkpoint.

    Attributes:
        select: ``held-out`` keeps ``share`` of the training places out of training and takes the
            state that finds them best (R@1); ``last`` trains on all places and takes the last
            state; ``test`` takes the state that is best on the test split. Some published figures
            were chosen so; they flatter.
        share: of the training places, at least two.
        every_epochs: epochs between two looks.
    """

    select: Literal["held-out", "last", "test"] = "held-out"
    share: float = 0.1
    every_epochs: int = field(default=10, metadata=AT_LEAST_ONE)


@dataclass(frozen=True)
class Recipe:
    """Everything about training that is not the network."""

    optim: Optim = field(default_factory=Optim)
    schedule: Schedule = field(default_factory=Schedule)
    augment: Augment = field(default_factory=Augment)
    sampler: Sampler = field(default_factory=Sampler)
    validation: Validation = field(default_factory=Validation)

    def replaced(self, section: str, values: dict[str, Any]) -> "Recipe":
        """A copy with some values of one section changed.

        Raises:
            SkyfixError: unknown section or name, or a value of the wrong type.
        """
        if section not in _names(self):
            raise SkyfixError(_unknown("recipe section", section, ["system", *_names(self)]))
        part = getattr(self, section)
        checked = {name: _checked(part, section, name, value) for name, value in values.items()}
        return replace(self, **{section: replace(part, **checked)})


def _checked(part: Any, section: str, name: str, value: Any) -> Any:
    if name not in _names(part):
        raise SkyfixError(_unknown(f"setting in [{section}]", name, _names(part)))
    default = getattr(part, name)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        value = tuple(value)
    choices = _choices(part, name)
    if choices and value not in choices:
        raise SkyfixError(f"{section}.{name} must be one of {', '.join(choices)}, not {value!r}.")
    if type(value) is not type(default):
        kind = type(default).__name__
        raise SkyfixError(f"{section}.{name} must be of type {kind}, not {value!r}.")
    least = type(part).__dataclass_fields__[name].metadata.get("least", 0)
    if type(value) in (int, float) and not least <= value < float("inf"):
        raise SkyfixError(f"{section}.{name} must be {least} or more, not {value!r}.")
    return value


def _choices(part: Any, name: str) -> tuple[str, ...]:
    kind = get_type_hints(type(part))[name]
    return get_args(kind) if get_origin(kind) is Literal else ()


def _names(section: Any) -> list[str]:
    return [entry.name for entry in fields(section)]


def _unknown(what: str, name: str, choices: list[str]) -> str:
    return f"Unknown {what}: {name!r}. Choose one of: {', '.join(choices)}."
