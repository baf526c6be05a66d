"""The JSON that clients send to create and change projects."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

_lower = BeforeValidator(lambda text: text.lower() if isinstance(text, str) else text)
_Levels = Annotated[int, Field(ge=1, le=10)]
_Method = Annotated[Literal["anisotropic", "isotropic"], _lower]
_TimeUnit = Annotated[Literal["", "nanoseconds", "microseconds", "milliseconds", "seconds"], _lower]
_Unit = Annotated[Literal["nanometers", "micrometers", "millimeters", "centimeters"], _lower]
_Length = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
_Index = Annotated[int, Field(ge=0, lt=2**40)]


class HasDescription(BaseModel):
    """A resource with a description."""

    description: str = ""


class NewCollection(HasDescription):
    """``POST collection/…``."""

    public: bool = False


class NewFrame(HasDescription):
    """``POST coord/…``."""

    x_start: _Index
    x_stop: _Index
    y_start: _Index
    y_stop: _Index
    z_start: _Index
    z_stop: _Index
    x_voxel_size: _Length
    y_voxel_size: _Length
    z_voxel_size: _Length
    voxel_unit: _Unit = "nanometers"

    @model_validator(mode="after")
    def _check_extent(self) -> Self:
        pairs = {"x": (self.x_start, self.x_stop), "y": (self.y_start, self.y_stop), "z": (self.z_start, self.z_stop)}
        wrong = [axis for axis, (start, stop) in pairs.items() if start >= stop]
        if wrong:
            raise ValueError(f"start must be below stop along {', '.join(wrong)}")
        return self


class NewExperiment(HasDescription):
    """``POST collection/…/experiment/…``."""

    public: bool = False
    coord_frame: str
    num_hierarchy_levels: _Levels = 1
    hierarchy_method: _Method = "anisotropic"
    num_time_samples: Annotated[int, Field(ge=1, lt=2**31)] = 1
    time_step: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    time_step_unit: _TimeUnit = ""


class NewChannel(HasDescription):
    """``POST …/channel/…``."""

    public: bool = False
    type: Annotated[Literal["image", "annotation"], _lower]
    datatype: Annotated[Literal["uint8", "uint16", "uint32", "uint64"], _lower]
    base_resolution: Annotated[int, Field(ge=0, le=9)] = 0
    default_time_sample: Annotated[int, Field(ge=0)] = 0
    sources: tuple[str, ...] = ()
    related: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        if self.type == "annotation" and not self.sources:
            raise ValueError("Annotation channels require the source channel to be set")
        if set(self.sources) & set(self.related):
            raise ValueError("Related channels have to be different from source channels")
        return self


class ChangedCollection(BaseModel):
    """``PUT collection/…``; fields that are left out keep their values, here and below."""

    name: str | None = None
    description: str | None = None
    public: bool | None = None


class ChangedFrame(BaseModel):
    """``PUT coord/…``."""

    name: str | None = None
    description: str | None = None


class ChangedExperiment(ChangedCollection):
    """``PUT collection/…/experiment/…``."""

    num_hierarchy_levels: _Levels | None = None
    hierarchy_method: _Method | None = None


class ChangedChannel(ChangedCollection):
    """``PUT …/channel/…``."""

    base_resolution: Annotated[int, Field(ge=0, le=9)] | None = None
    default_time_sample: Annotated[int, Field(ge=0)] | None = None
    sources: tuple[str, ...] | None = None
    related: tuple[str, ...] | None = None
