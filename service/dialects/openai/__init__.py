"""The OpenAI Images API: `/v1/models` and `/v1/images/generations`, over native jobs."""
