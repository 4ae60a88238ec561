# The service: HTTP and Redis, no torch. BASE is any Debian-like image with python3 (3.11 or newer) and its venv module.
# EXTRAS=tracing adds what sends traces.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ARG EXTRAS=""
ENV PATH=/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
RUN python3 -m venv /venv
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY contract/ contract/
COPY darkroom/ darkroom/
COPY service/ service/
COPY worker/ worker/
RUN pip install --constraint constraints.txt ".[service${EXTRAS:+,$EXTRAS}]" \
    && pip uninstall --yes pip

FROM ${BASE}
# The worker's image has the same ids: both write to the volume mounted at /data.
RUN groupadd --gid 10001 darkroom \
    && useradd --uid 10001 --gid 10001 --no-log-init --home-dir /tmp --shell /usr/sbin/nologin darkroom \
    && install --directory --owner=10001 --group=10001 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY --chmod=644 models.toml styles.toml ./
ENV PATH=/venv/bin:$PATH \
    DARKROOM_HOST=0.0.0.0 \
    DARKROOM_DATA_DIR=/data \
    DARKROOM_MODELS=/app/models.toml \
    DARKROOM_STYLES=/app/styles.toml
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["python", "-m", "service"]
