# The static binary and nothing else: `make build`, then `docker build -t deployer .`
# docs/container.md says how to run it.
FROM scratch
COPY bin/deployer /deployer
USER 65532:65532
EXPOSE 8484
ENTRYPOINT ["/deployer"]
CMD ["serve", "--config", "/etc/deployer/deployer.yaml"]
