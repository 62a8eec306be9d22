# Two images, which docs/sharing.md describes: the page of `ser serve`, and what trains models.
# The page is the last target, and so the one that `docker build .` makes.

# What `make setup` installs, for a project that is mounted at /project. Python 3.11 is the one that
# requirements/torch-cpu.lock has PyTorch's build for CPUs for.
FROM python:3.11-slim AS train
RUN apt-get update && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /ser
COPY Makefile pyproject.toml README.md LICENSE requirements.lock ./
COPY requirements requirements
COPY ser ser
# Without it, PyTorch for GPUs; cpu: its build for CPUs, from an index that PIP_EXTRA_INDEX_URL names.
ARG TORCH
ARG PIP_EXTRA_INDEX_URL
RUN PIP_NO_CACHE_DIR=1 make setup TORCH="$TORCH"
# The code of the mounted project comes before the one here. Whoever runs it owns the project.
ENV PATH=/ser/.venv/bin:$PATH PYTHONPATH=/project HOME=/tmp
WORKDIR /project
USER 10001:10001
CMD ["dvc", "repro"]

FROM python:3.13-slim AS build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1
WORKDIR /ser
COPY requirements/build.lock requirements/app.lock requirements/
RUN pip install --require-hashes --no-deps --no-build-isolation -r requirements/build.lock \
    && pip install --require-hashes --no-deps --no-build-isolation -r requirements/app.lock
COPY pyproject.toml README.md LICENSE ./
COPY ser ser
RUN pip install --no-deps --no-build-isolation . && pip check \
    && pip uninstall --yes setuptools pip

FROM python:3.13-slim AS page
COPY --from=build /venv /venv
# The file system may be read-only: caches and uploads are below /tmp. Errors about a model in
# SER_MODEL_MOUNT say what to do outside of the container.
ENV PATH=/venv/bin:$PATH HOME=/tmp SER_MODEL_MOUNT=/model
WORKDIR /tmp
USER 10001:10001
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client as http; page = http.HTTPConnection('127.0.0.1', 7860, timeout=4); page.request('GET', '/'); raise SystemExit(page.getresponse().status != 200)"]
ENTRYPOINT ["ser"]
CMD ["serve", "--model", "/model", "--host", "0.0.0.0"]
