//! docker-compose.yml and the Dockerfile.
