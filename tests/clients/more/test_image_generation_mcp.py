"""image-generation-mcp, through which language models ask AUTOMATIC1111's API, as its recipe configures it."""

from pathlib import Path

from PIL import Image

from tests.clients.conftest import Asked
from tests.clients.recipes import configuration


def test_image_generation_mcp(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text(configuration("mcp.md", asked))
    told = asked.python("a1111", "image_generation_mcp_client", tmp_path)
    (offered,) = told["providers"]["providers"]["sd_webui"]["capabilities"]["models"]
    assert (offered["model_id"], told["status"]["status"]) == ("pocket", "completed")
    (drawn,) = tmp_path.glob("*-original.png")
    with Image.open(drawn) as image:
        assert image.size == (152, 104)  # it asks for 768 x 512, and names no model
    parameters = asked.jobs()[0]["parameters"]
    assert (parameters["prompt"], parameters["scheduler"], parameters["num_inference_steps"]) == (
        "a fox",
        "DPM++ 2M",
        30,
    )
