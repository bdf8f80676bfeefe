# What a contributor runs. Each target does its own set-up, and a second call reuses it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe
ENGINE := $(PYTHON) tools/engine.py run --

# Where Python is told to keep no compiled modules, each of the hundreds of programs that tests start compiles anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-cgroup2 test-release test-documentation attacks soak unit lint format bench bench-accuracy bench-overhead bench-near-peak bench-leaks bench-peers bench-leak-or-plateau bench-http-load bench-http-rates bench-live-heap bench-profile-price bench-runtime-rules bench-record-noise bench-images bench-first-line bench-fit-truth bench-fit-services bench-fit-noise bench-scaling bench-history-pushes bench-history-fleet bench-trend-page bench-steps fuzz image picture picture-outcomes picture-fit picture-trend page-assets schema tables dashboard clean stop-engine lock pins

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/.installed  ## run the main job on the bundled example (sets up an engine where none answers)
	@$(ENGINE) $(BIN)/python tools/demo.py

test: $(VENV)/.installed-dev  ## run every test, on a real engine
	@$(ENGINE) $(BIN)/python tools/test.py

test-cgroup2: $(VENV)/.installed-dev  ## run the tests on an emulated cgroup v2 machine, for hosts that have cgroup v1
	@$(ENGINE) $(BIN)/python tools/test.py tests/e2e/test_cgroup2_vm.py

test-release: $(VENV)/.installed-dev  ## release to a registry on this machine, for amd64 and arm64, and run the action from it
	@$(ENGINE) $(BIN)/python tools/test.py tests/release/test_released_image.py

test-documentation: $(VENV)/.installed-dev  ## run the commands and workflows that the documentation shows
	@$(ENGINE) $(BIN)/python tools/test.py tests/e2e/test_documented_workflows.py tests/e2e/test_documented_commands.py

attacks: $(VENV)/.installed-dev  ## run the whole attack suite, of which make test runs a sample
	@$(ENGINE) $(BIN)/python tools/test.py tests/attacks

soak: $(VENV)/.installed-dev  ## run checks in signals, engine deaths, full disks and API faults: SOAK_ROUNDS=200 SOAK_SEED=19
	@SOAK_ROUNDS=$${SOAK_ROUNDS:-200} $(ENGINE) $(BIN)/python tools/test.py tests/soak -s

unit: $(VENV)/.installed-dev  ## run the unit tests, quickly: no engine
	@$(BIN)/python tools/unit.py

lint: $(VENV)/.installed-dev  ## run the linters: they are gates
	@$(BIN)/python tools/lint.py

format: $(VENV)/.installed-dev  ## format the code
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix --select I

bench: bench-accuracy bench-near-peak bench-overhead bench-leaks bench-peers bench-leak-or-plateau bench-http-load bench-false-alarms bench-every-trial bench-check-cost bench-side-by-side bench-images  ## run all benchmarks: half an hour; or one, like bench-accuracy

bench-near-peak: $(VENV)/.installed-dev  ## how near to a peak of 50 ms the look at the processes is
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/near_peak.py

bench-leak-or-plateau: $(VENV)/.installed-dev  ## how often leaks are found, and plateaus left alone: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/leak_or_plateau.py

bench-http-load: $(VENV)/.installed-dev  ## how hard the HTTP driver can drive
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/http_load.py

bench-http-rates: $(VENV)/.installed-dev  ## how often a verdict on throughput or latency is wrong: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/http_rates.py

bench-live-heap: $(VENV)/.installed-dev  ## how well `live_heap` finds growth that RSS hides: a quarter of an hour (RUNTIMES="jvm" TRIALS=30)
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/live_heap.py $(RUNTIMES)

bench-profile-price: $(VENV)/.installed-dev  ## what a profiled trial costs: ten minutes (SERVICES="python jvm" PAIRS=10)
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/profile_price.py $(SERVICES) --pairs $${PAIRS:-10}

bench-runtime-rules: $(VENV)/.installed-dev  ## how often rules for runtimes miss, or warn without need: an hour and a half (RULES="no_maxmemory" COUNT=10)
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/runtime_rules.py $(RULES)

bench-record-noise: $(VENV)/.installed-dev  ## measure ten noisy workloads again and again, to be resampled: twenty minutes
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/record_noise.py $(IMAGES)

bench-false-alarms: $(VENV)/.installed-dev  ## how often a verdict on growth is wrong: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/false_alarms.py

bench-every-trial: $(VENV)/.installed-dev  ## how often single trials over a maximum are missed, or fail by chance: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/every_trial.py

bench-side-by-side: $(VENV)/.installed-dev  ## whether images measured side by side have the figures that they have alone
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/side_by_side.py

bench-fit-truth: $(VENV)/.installed-dev  ## how near `fit` comes to the truth: 20 programs, half an hour (PAIRS=5 CONFIRM=10)
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/fit_truth.py

bench-fit-services: $(VENV)/.installed-dev  ## `fit` on real services, beside what VPA and KRR recommend: an hour (SERVICES="node jvm" PART=fit)
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/fit_services.py $(SERVICES)

bench-fit-noise: $(VENV)/.installed-dev  ## how often noise alone decides what `fit` says: no engine needed, a minute
	@PYTHONPATH=.:tools $(BIN)/python -m benchmarks.fit_noise

bench-scaling: $(VENV)/.installed-dev  ## whether services take at a larger load what `fidelity scaling` expects: 20 minutes (SERVICES="node jvm" TRIALS=10)
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/scaling_services.py $(SERVICES)

bench-history-pushes: $(VENV)/.installed-dev  ## whether concurrent pushes of the history lose a line: no engine needed (ROUNDS=100)
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/history_pushes.py

bench-history-fleet: $(VENV)/.installed-dev  ## how long the history of 500 images and 2,000 commits takes to read and to judge: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/history_fleet.py

bench-trend-page: $(VENV)/.installed-dev  ## how long a browser takes to show the trend page of 50 images and 2,000 commits: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/trend_page.py

bench-steps: $(VENV)/.installed-dev  ## how often noise is told as a step, and whether planted steps are found: no engine needed, half an hour (SERIES=10)
	@PYTHONPATH=.:tools $(BIN)/python benchmarks/steps.py

bench-check-cost: $(VENV)/.installed-dev  ## what a check costs beside its builds and workloads
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/check_cost.py

bench-first-line: $(VENV)/.installed-dev  ## how long a workflow waits for the action's first line, and what it downloads
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/first_line.py

fuzz: $(VENV)/.installed-dev  ## fuzz the archive reader: SECONDS_EACH=300; what it finds stays in tests/fuzz/corpus
	@$(BIN)/pip install --quiet atheris
	@PYTHONPATH=. $(BIN)/python -m tests.fuzz.image_archive -max_total_time=$${SECONDS_EACH:-300} -max_len=20000

bench-accuracy bench-overhead bench-leaks bench-peers bench-images: bench-%: $(VENV)/.installed-dev
	@PYTHONPATH=.:tools $(ENGINE) $(BIN)/python benchmarks/$*.py

image: $(VENV)/.installed  ## build membudget's own image: the action, and the helper containers
	@$(ENGINE) $(BIN)/python tools/own_image.py

picture: picture-outcomes picture-fit picture-trend demo  ## draw the README's pictures: what the demo shows, and every outcome
	@$(BIN)/python tools/picture.py comment build/demo/comment.md docs/pictures/comment.png
	@$(BIN)/python tools/picture.py terminal build/demo/report.json docs/pictures/terminal.png
	@PYTHONPATH=.:tools $(BIN)/python tools/page_picture.py build/demo/report.html storefront docs/pictures/page.png docs/pictures/page-image.png
	@PYTHONPATH=.:tools $(BIN)/python tools/page_picture.py flames build/demo/report.html catalog docs/pictures/flames.png

picture-fit: $(VENV)/.installed-dev  ## draw the README's picture of a fit, from docs/pictures/fit.json: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python tools/page_picture.py docs/pictures/fit.json report docs/pictures/fit.png

picture-trend: $(VENV)/.installed-dev  ## draw the picture of the trend page, with the figures of its tests: no engine needed
	@PYTHONPATH=.:tools $(BIN)/python tools/page_picture.py trend docs/pictures/trend.png

picture-outcomes: $(VENV)/.installed-dev  ## draw every outcome, from the golden files: no engine needed
	@$(BIN)/python tools/picture.py outcomes docs/pictures

schema: $(VENV)/.installed  ## write docs/schema anew, after a change to the budgets models
	@$(BIN)/membudget schema > docs/schema/budgets.schema.json

tables: $(VENV)/.installed  ## write the documentation's tables of metrics anew, after a change to a definition
	@$(BIN)/python tools/metric_tables.py

dashboard: $(VENV)/.installed-dev  ## write the Grafana dashboard in examples/prometheus anew
	@$(BIN)/python tools/grafana_dashboard.py

lock: $(VENV)/.installed-dev  ## pin the image's Python packages anew, with their hashes
	@$(COMPILE) --output-file requirements.lock pyproject.toml
	@$(COMPILE) --only-build-deps --all-build-deps --output-file requirements-build.lock pyproject.toml

pins: $(VENV)/.installed  ## pin actions and the image's base anew: needs github.com and a registry
	@$(ENGINE) $(BIN)/python tools/pins.py

page-assets: $(VENV)/.installed  ## fetch the page's charting library anew from npm: it has to be what is pinned
	@$(BIN)/python tools/page_assets.py $(UPLOT)

stop-engine:  ## stop a private engine that KEEP_ENGINE=1 kept
	@$(PYTHON) tools/engine.py stop

clean:  ## remove what was made here; the cache outside of the repository stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.installed: pyproject.toml
	@echo "==> installing membudget into $(VENV)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "membudget needs Python 3.11 or newer")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	@echo "==> installing the test tools and linters into $(VENV)" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
