# The image of `hookstream`: one binary, the certificates of public authorities, a user without rights.
#
#   docker build -t hookstream .
#   docker run --read-only -v ./hookstream.toml:/etc/hookstream/hookstream.toml:ro hookstream serve

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
# What the binary says about itself in --version and hookstream_build_info; .git stays out of the build.
ARG HOOKSTREAM_REVISION
ENV HOOKSTREAM_REVISION=$HOOKSTREAM_REVISION
COPY Cargo.toml Cargo.lock build.rs ./
COPY src ./src
COPY providers ./providers
# Not built, but Cargo.toml names them.
COPY benches ./benches
COPY tests ./tests
# The caches keep a second build short; the binary is copied out because they are not part of the layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin hookstream && cp target/release/hookstream /hookstream

FROM debian:12.13-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /hookstream /usr/local/bin/hookstream
ENV HOOKSTREAM_CONFIG=/etc/hookstream/hookstream.toml
# 8080 for providers, 9464 for operators. Nothing is written to the file system: --read-only works.
EXPOSE 8080 9464
USER 10001:10001
ENTRYPOINT ["hookstream"]
CMD ["serve"]
