# Hookpace in a container: `hookpace` (both programs and the command) and `sample` (a downstream to look at).
ARG HOOKPACE_BASE_IMAGE=debian:bookworm-slim

FROM ${HOOKPACE_BASE_IMAGE} AS build
COPY scripts/install-packages /src/scripts/install-packages
RUN /src/scripts/install-packages build
COPY CMakeLists.txt /src/
COPY cmake /src/cmake
COPY common /src/common
COPY receiver /src/receiver
COPY dispatcher /src/dispatcher
COPY cli /src/cli
COPY docs/reference/configuration.md /src/docs/reference/configuration.md
RUN cmake -S /src -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release \
    && cmake --build /build --target hookpace-receiver hookpace-dispatcher hookpace \
    && strip /build/receiver/hookpace-receiver /build/dispatcher/hookpace-dispatcher /build/cli/hookpace

FROM ${HOOKPACE_BASE_IMAGE} AS sample
RUN apt-get update && apt-get install -y --no-install-recommends python3 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY scripts/sample-downstream /usr/local/bin/sample-downstream
USER 10001
ENTRYPOINT ["sample-downstream"]
CMD ["--listen", "0.0.0.0:8090"]

FROM ${HOOKPACE_BASE_IMAGE} AS hookpace
COPY scripts/install-packages /usr/local/share/hookpace/install-packages
RUN /usr/local/share/hookpace/install-packages runtime && apt-get clean && rm -rf /var/lib/apt/lists/* /usr/local/share/hookpace \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/hookpace --create-home --skel /dev/null --shell /usr/sbin/nologin hookpace
COPY --from=build /build/receiver/hookpace-receiver /build/dispatcher/hookpace-dispatcher /build/cli/hookpace /usr/local/bin/
COPY scripts/container/ /usr/local/bin/
COPY hookpace.example.json /etc/hookpace/hookpace.json
LABEL org.opencontainers.image.title="hookpace" \
      org.opencontainers.image.description="Webhook gateway: verifies webhooks, queues them in Redis, sends them with a delay" \
      org.opencontainers.image.licenses="MIT"
# A program that listens on the container's 127.0.0.1 alone cannot be reached from outside.
ENV HOOKPACE_LISTEN=0.0.0.0:8080 HOOKPACE_ADMIN_LISTEN=0.0.0.0:8081 HOOKPACE_DISPATCHER_LISTEN=0.0.0.0:8082
EXPOSE 8080 8081 8082
VOLUME /var/lib/hookpace
USER hookpace
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --retries=6 CMD ["healthy"]
ENTRYPOINT ["entrypoint"]
CMD ["hookpace-receiver"]
