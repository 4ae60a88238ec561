"""ComfyUI's graph of nodes, as its pictures hold it under `prompt`, in our names.

Read here and not by sd-parsers, which visits every node from every sampler, each time anew, and takes a link for a
model's name where a LoRA stands before the checkpoint. Here each search visits a node once.
"""

import json
from collections import deque
from typing import Any

from service.inspection.found import Found, Unmapped, unmapped
from service.inspection.sampler_names import named_scheduler

_SAMPLER = frozenset(("steps", "cfg", "sampler_name"))
"""The inputs of a node that samples; who made the node and what it is called varies."""
_TEXTS = ("text", "text_g", "string", "value")
_MODELS = ("ckpt_name", "unet_name")
_NOT_THE_PROMPT = frozenset(("clip", "control_net", "image", "model", "vae"))
_WITHOUT_EFFECT = frozenset(("PreviewImage", "SaveImage", "VAEDecode"))

_Inputs = dict[str, Any]
"""Plain values, and links as `[node id, output]`."""


def read_comfyui(text: str) -> Found | None:
    """What the first sampler of the graph draws; None where there is none. Raises ValueError or RecursionError."""
    graph = _Graph(json.loads(text))
    sampler = graph.sampler()
    if sampler is None:
        return None
    seed = sampler.get("seed", sampler.get("noise_seed"))
    fields = {"num_inference_steps": sampler["steps"], "guidance_scale": sampler["cfg"], "seed": seed}
    for name, link in (("prompt", "positive"), ("negative_prompt", "negative")):
        fields[name] = graph.text_behind(sampler.get(link), _TEXTS, without=_NOT_THE_PROMPT)
    fields |= graph.size_behind(sampler.get("latent_image"))
    scheduler, exact = named_scheduler(str(sampler["sampler_name"]), str(sampler.get("scheduler", "")))
    left = [] if exact else [unmapped("scheduler", sampler["scheduler"], "this sampler does not come with it here")]
    if scheduler is None:
        left.append(unmapped("sampler_name", sampler["sampler_name"], "no scheduler has that name"))
    else:
        fields["scheduler"] = scheduler.name
    model = graph.text_behind(sampler.get("model"), _MODELS)
    known = {name: value for name, value in fields.items() if value is not None}
    return Found("ComfyUI", known, model=model, unmapped=[*left, *graph.unused()])


class _Graph:
    """Nodes by their id, those that are none left out, and which of them were made use of."""

    def __init__(self, document: object) -> None:
        nodes = document.items() if isinstance(document, dict) else ()
        self._kinds = {node_id: str(node.get("class_type")) for node_id, node in nodes if isinstance(node, dict)}
        self._inputs: dict[str, _Inputs] = {
            node_id: node["inputs"]
            for node_id, node in nodes
            if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
        }
        self._used: set[str] = set()

    def sampler(self) -> _Inputs | None:
        for node_id, inputs in self._inputs.items():
            if inputs.keys() >= _SAMPLER:
                self._used.add(node_id)
                return inputs
        return None

    def text_behind(self, link: object, names: tuple[str, ...], without: frozenset[str] = frozenset()) -> str | None:
        """The first text with one of these names, from the link on against the direction of the graph."""
        for node_id in self._behind(link, without):
            for name in names:
                text = self._inputs[node_id].get(name)
                if isinstance(text, str):
                    self._used.add(node_id)
                    return text
        return None

    def size_behind(self, link: object) -> dict[str, Any]:
        for node_id in self._behind(link, frozenset()):
            inputs = self._inputs[node_id]
            if inputs.keys() >= {"width", "height"}:
                self._used.add(node_id)
                return {"width": inputs["width"], "height": inputs["height"]}
        return {}

    def _behind(self, link: object, without: frozenset[str]) -> list[str]:
        """The node that a link names and all behind it, the nearest first."""
        waiting, found = deque([link]), dict[str, None]()
        while waiting:
            link = waiting.popleft()
            node_id = link[0] if isinstance(link, list) and link else None
            if isinstance(node_id, str) and node_id in self._inputs and node_id not in found:
                found[node_id] = None
                waiting.extend(value for name, value in self._inputs[node_id].items() if name not in without)
        return list(found)

    def unused(self) -> list[Unmapped]:
        """The nodes that had their share in the picture, or may have had it, and are not among the fields."""
        return [
            unmapped(kind, _plain(self._inputs.get(node_id, {})), "a node that no field of a request is like")
            for node_id, kind in self._kinds.items()
            if node_id not in self._used and kind not in _WITHOUT_EFFECT
        ]


def _plain(inputs: _Inputs) -> str:
    return json.dumps({name: value for name, value in inputs.items() if not isinstance(value, list)})
