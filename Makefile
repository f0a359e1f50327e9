# One command each, from a fresh clone: every target makes .venv when it is missing and installs
# only what it needs. Stamp files in .venv remember that, so the second time nothing is installed.

PYTHON ?= python3
PORT ?= 8501
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin

# Big files that do not belong in git may lie beside the checkout. Set either variable yourself
# to point elsewhere; where neither is there, the tests that need them skip and say so.
ifneq ($(wildcard ../shared/weights),)
export HFX_WEIGHTS ?= $(abspath ../shared/weights)
endif
ifneq ($(wildcard ../shared/data),)
export HFX_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help app test lab notebooks seal course results pages reproduce train lint format coverage audit wheel clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

app: $(VENV)/.installed-dashboard ## serve the dashboard on http://127.0.0.1:8501 (PORT=... for another)
	$(BIN)/streamlit run dashboard/app.py --server.port $(PORT) --server.address 127.0.0.1 \
		--server.headless true --browser.gatherUsageStats false $(ARGS)

test: $(VENV)/.installed-test ## run the tests (ARGS="-k bitstream" for some of them)
	$(BIN)/python -m pytest $(ARGS)

lab: $(VENV)/.installed-notebooks ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=$(or $(wildcard notebooks),.) \
		--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(ARGS)

notebooks: $(VENV)/.installed-notebooks ## run the notebooks' masters and write the .ipynb (ARGS="01 03")
	$(BIN)/python -m tools.notebooks build $(ARGS)

seal: $(VENV)/.installed-notebooks ## hash the answers of the notebooks' exercises into hfx/checks/
	$(BIN)/python -m tools.notebooks seal $(ARGS)

course: $(VENV)/.installed-course ## build student and solution versions of the notebooks, and graders
	$(BIN)/python -m tools.course $(ARGS)

# Where HFX_DATA holds the folders kodak and train; hours for new weights, minutes when only rows
# are missing: each command keeps what it finds.
KODAK ?= $(HFX_DATA)/kodak
TRAIN ?= $(HFX_DATA)/train
RESULTS := data/results

# realism.py refuses weights without a second generator, and the rest goes on.
results: $(VENV)/.installed-test ## measure everything in data/results anew (KODAK=DIR TRAIN=DIR)
	@test -d "$(KODAK)" -a -d "$(TRAIN)" || { \
		echo 'give folders of pictures: make results KODAK=DIR TRAIN=DIR'; exit 2; }
	$(BIN)/hfx benchmark $(KODAK) -o $(RESULTS)/kodak.csv
	$(BIN)/hfx tables $(KODAK) -o $(RESULTS)
	$(BIN)/hfx profile --growth --limit 600 --neighbours xgb -o $(RESULTS)/profile.csv
	$(BIN)/python experiments/throughput.py --data $(KODAK) --profile $(RESULTS)/profile.csv \
		--out $(RESULTS)/throughput.csv --page docs/cluster.md
	$(BIN)/python experiments/step.py --data $(TRAIN) --out $(RESULTS)/step.csv
	$(BIN)/python experiments/speed.py --picture $(KODAK)/kodim01.png --out $(RESULTS)/speed.csv
	-$(BIN)/python experiments/realism.py --kodak $(KODAK) --data $(TRAIN) --out $(RESULTS)
	$(BIN)/python experiments/refinement.py --data $(KODAK) --out $(RESULTS)/refinement.csv \
		--pictures 8 --steps 2 5 10 20 --views moved
	$(BIN)/python experiments/phase.py --data $(KODAK) --out $(RESULTS)/phase.csv
	$(BIN)/python experiments/server.py --data $(KODAK) --out $(RESULTS)/server.csv
	$(BIN)/python experiments/neighbours.py --data $(TRAIN) --out $(RESULTS)
	$(BIN)/python experiments/restoration.py --data $(TRAIN) --test $(KODAK) \
		--out $(RESULTS)/restoration.csv
	$(BIN)/python -m experiments.ablations --data $(TRAIN) --test $(KODAK) \
		--out $(RESULTS)/ablations.csv
	$(BIN)/python -m experiments.fuzz --n 100000 --out $(RESULTS)/fuzz.csv
	$(BIN)/python -m experiments.interrupted --kills 20 --out $(RESULTS)/interrupted.csv
	$(BIN)/python experiments/distance.py --results $(RESULTS) \
		--weights data/weights/compact.safetensors
	$(BIN)/python -m tools.pages

pages: $(VENV)/.installed-test ## bring README.md and the model card up to date with data/results
	$(BIN)/python -m tools.pages

HOURS ?= 8

reproduce: export MALLOC_MMAP_THRESHOLD_ = 4294967296
reproduce: export MALLOC_TRIM_THRESHOLD_ = 17179869184
reproduce: export MALLOC_TOP_PAD_ = 268435456
reproduce: $(VENV)/.installed-test ## train for HOURS, ship what is better, measure all (KODAK, TRAIN)
	$(BIN)/python -m tools.reproduce --data $(TRAIN) --kodak $(KODAK) --hours $(HOURS) $(ARGS)

train: $(VENV)/.installed-core ## train a model (ARGS="--preset compact --data DIR --out runs/NAME")
	$(BIN)/hfx train $(ARGS)

# glibc hands every large freed tensor back to the kernel and asks for it again a moment later.
# Keeping that memory makes a training step on the CPU about 1.4 times faster; it also keeps
# memory that other programs may want, so nothing but training asks for it.
train: export MALLOC_MMAP_THRESHOLD_ = 4294967296
train: export MALLOC_TRIM_THRESHOLD_ = 17179869184
train: export MALLOC_TOP_PAD_ = 268435456

lint: $(VENV)/.installed-test ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: $(VENV)/.installed-test ## run the tests and say how much of hfx/ they run (ARGS as for test)
	$(BIN)/python -m coverage run -m pytest $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

audit: $(VENV)/.installed-release ## look for known vulnerabilities in the pinned versions; needs PyPI
	$(BIN)/python -m tools.vulnerabilities

wheel: $(VENV)/.installed-release ## build the wheel, weights included, into dist/
	$(BIN)/python -m build --wheel

clean: ## remove .venv, caches and built packages (never runs/ or data/)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage* *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment

# A stamp rather than .venv/bin/python: an interrupted `python -m venv` leaves the latter behind.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"hfx needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed-core: pyproject.toml constraints.txt | $(VENV)/.created
	$(BIN)/python -m pip install --editable . --constraint constraints.txt
	@touch $@

# .installed-NAME installs the extra NAME of pyproject.toml.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/.created
	$(BIN)/python -m pip install --editable '.[$*]' --constraint constraints.txt
	@touch $@
