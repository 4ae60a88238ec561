"""A client of the Model Context Protocol, and image-generation-mcp as its server, which asks the service.

argv are the service's URL, a key and a folder. In there mcp.json says, as to any client, how the server is started; the
pictures go there, too.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

folder = sys.argv[3]
((_, configured),) = json.loads((Path(folder) / "mcp.json").read_text())["mcpServers"].items()
server = StdioServerParameters(
    command=str(Path(sys.executable).with_name(configured["command"])),
    args=configured["args"],
    env=configured["env"] | {"HOME": folder, "IMAGE_GENERATION_MCP_SCRATCH_DIR": folder},
)


async def call(session: ClientSession, tool: str, **arguments: Any) -> Any:
    answer = await session.call_tool(tool, arguments)
    assert not answer.isError, answer
    return json.loads(answer.content[0].text)


async def main() -> dict[str, Any]:
    with (Path(folder) / "log").open("w") as log:
        async with stdio_client(server, log) as streams, ClientSession(*streams) as session:
            await session.initialize()
            told = {"providers": await call(session, "list_providers")}
            begun = await call(session, "generate_image", prompt="a fox", provider="sd_webui", aspect_ratio="3:2")
            status = begun
            while status["status"] == "generating":
                await asyncio.sleep(0.1)
                status = await call(session, "check_generation_status", image_id=begun["image_id"])
            return told | {"status": status}


print(json.dumps(asyncio.run(main())))
