"""The schedulers on offer: the names that people know, and the diffusers class and options behind each.

Knows names; knows nothing of diffusers itself. The known names are those of AUTOMATIC1111's web UI, mapped to
classes as diffusers' documentation does: docs/source/en/api/schedulers/overview.md.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

Options = dict[str, bool | str]


class SchedulerFamily(StrEnum):
    """What a model was trained to be denoised with; schedulers of another family give noise.

    diffusion       noise is predicted, or velocity: Stable Diffusion, SDXL, PixArt
    consistency     the picture is predicted, in a few steps: LCM
    flow_matching   the flow is predicted: Stable Diffusion 3, Flux
    """

    DIFFUSION = "diffusion"
    CONSISTENCY = "consistency"
    FLOW_MATCHING = "flow_matching"


class Scheduler(BaseModel):
    """One way of denoising. A class name stands for the first scheduler of the class."""

    model_config = ConfigDict(frozen=True)

    name: str
    class_name: str
    """In diffusers."""
    options: Options = {}
    """What is set over the model's own scheduler configuration."""
    family: SchedulerFamily = SchedulerFamily.DIFFUSION


_KARRAS: Options = {"use_karras_sigmas": True}
_EXPONENTIAL: Options = {"use_exponential_sigmas": True}
_SDE: Options = {"algorithm_type": "sde-dpmsolver++"}
_TRAILING: Options = {"timestep_spacing": "trailing"}
_CONSISTENCY, _FLOW = SchedulerFamily.CONSISTENCY, SchedulerFamily.FLOW_MATCHING


def _scheduler(
    name: str,
    class_name: str,
    options: Options | None = None,
    family: SchedulerFamily = SchedulerFamily.DIFFUSION,
) -> Scheduler:
    return Scheduler(name=name, class_name=f"{class_name}Scheduler", options=options or {}, family=family)


SCHEDULERS = (
    _scheduler("DDIM", "DDIM"),
    _scheduler("DDPM", "DDPM"),
    _scheduler("PNDM", "PNDM", {"skip_prk_steps": True}),  # with them it takes no fewer than four steps
    _scheduler("Euler", "EulerDiscrete"),
    _scheduler("Euler Karras", "EulerDiscrete", _KARRAS),
    _scheduler("Euler SGM Uniform", "EulerDiscrete", _TRAILING),
    _scheduler("Euler a", "EulerAncestralDiscrete"),
    _scheduler("Euler a SGM Uniform", "EulerAncestralDiscrete", _TRAILING),
    _scheduler("Heun", "HeunDiscrete"),
    _scheduler("Heun Karras", "HeunDiscrete", _KARRAS),
    _scheduler("DPM2", "KDPM2Discrete"),
    _scheduler("DPM2 Karras", "KDPM2Discrete", _KARRAS),
    _scheduler("DPM2 a", "KDPM2AncestralDiscrete"),
    _scheduler("DPM2 a Karras", "KDPM2AncestralDiscrete", _KARRAS),
    _scheduler("DPM++ 2M", "DPMSolverMultistep"),
    _scheduler("DPM++ 2M Karras", "DPMSolverMultistep", _KARRAS),
    _scheduler("DPM++ 2M Exponential", "DPMSolverMultistep", _EXPONENTIAL),
    _scheduler("DPM++ 2M SGM Uniform", "DPMSolverMultistep", _TRAILING),
    _scheduler("DPM++ 2M SDE", "DPMSolverMultistep", _SDE),
    _scheduler("DPM++ 2M SDE Karras", "DPMSolverMultistep", _SDE | _KARRAS),
    _scheduler("DPM++ 2S", "DPMSolverSinglestep"),
    _scheduler("DPM++ 2S Karras", "DPMSolverSinglestep", _KARRAS),
    _scheduler("UniPC", "UniPCMultistep"),
    _scheduler("UniPC Karras", "UniPCMultistep", _KARRAS),
    _scheduler("DEIS", "DEISMultistep"),
    _scheduler("LCM", "LCM", family=_CONSISTENCY),
    _scheduler("TCD", "TCD", family=_CONSISTENCY),
    _scheduler("Flow Euler", "FlowMatchEulerDiscrete", family=_FLOW),
    _scheduler("Flow Heun", "FlowMatchHeunDiscrete", family=_FLOW),
)

_BY_NAME = {scheduler.class_name.casefold(): scheduler for scheduler in reversed(SCHEDULERS)} | {
    scheduler.name.casefold(): scheduler for scheduler in SCHEDULERS
}


def find_scheduler(name: str) -> Scheduler | None:
    """The scheduler of that name or class name, in whatever case it is written; None where there is none."""
    return _BY_NAME.get(name.casefold())
