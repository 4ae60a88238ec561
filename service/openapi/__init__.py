"""The OpenAPI document: what FastAPI gathers from the routes, with what holds for all of them added in one place."""
