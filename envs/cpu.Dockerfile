# The workflow on cores: envs/requirements.txt as `make` installs it; cpu.def beside it is the same. From the repository's root:
#     docker build -f envs/cpu.Dockerfile -t valley-cpu .
#     docker run -v "$PWD:/study" -w /study valley-cpu snakemake …
FROM docker.io/library/python:3.11-slim-bookworm
COPY envs/requirements.txt /opt/requirements.txt
COPY envs/constraints.txt /opt/constraints.txt
RUN apt-get update
RUN apt-get install --yes --no-install-recommends make git
RUN python -m pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu -r /opt/requirements.txt -c /opt/constraints.txt
RUN rm -rf /var/lib/apt/lists/*
