# `make` shows what there is to do. Every target works with an empty HOME and without a terminal.
.DEFAULT_GOAL := help
.PHONY: help demo test soak bench lint

TOOLCHAIN := tests/toolchain.sh

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build an example infrastructure of processes, heal it, scale it, remove it
	@$(TOOLCHAIN) examples/demo/run.sh

test: ## Run all tests beside a real Docker Engine, MariaDB and EC2 simulation
	@$(TOOLCHAIN) tests/run.sh

soak: ## Simulate random histories for SOAK_MINUTES, two hours unless told otherwise
	@SOAK_MINUTES=$${SOAK_MINUTES:-120} $(TOOLCHAIN) \
		cargo test --package occopus-sim --test histories -- --nocapture whatever_happens

bench: ## Measure what users wait for
	@$(TOOLCHAIN) benches/run.sh

lint: ## Check the format and the lints of all code
	@$(TOOLCHAIN) tests/lint.sh
