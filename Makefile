# `make run` tries didlive, `make test` checks it. Both set up all that they need; a second run starts at once.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --constraint .ci/constraints.txt
PINS := pyproject.toml .ci/constraints.txt
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# What PySide6 needs on a bare Debian 12; found by running it there. didlive itself needs no system library.
QT_LIBS := libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0 libbrotli1 libxkbcommon-x11-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxcb-image0 libxcb-render-util0 libxcb-xkb1 \
	libwayland-cursor0 libwayland-egl1 fonts-dejavu-core
# gcc builds the webcam and the virtual camera that the tests make up.
# pipewire, wireplumber, dbus-daemon and GStreamer: the virtual camera without a kernel module, and who watches it.
# xvfb, openbox and xdotool: a screen, a window manager and the hands of the tests that use the window like a person.
# libportaudio2, pipewire-pulse, pipewire-alsa and pulseaudio-utils: a microphone that hears what the tests play;
# espeak-ng: speech whose sounds are known.
TEST_TOOLS := libportaudio2 pipewire-pulse pipewire-alsa pulseaudio-utils espeak-ng strace \
	gcc libc6-dev xvfb xauth xdotool openbox fonts-wqy-microhei pipewire pipewire-bin wireplumber dbus \
	gstreamer1.0-pipewire gstreamer1.0-tools gstreamer1.0-plugins-base
# Left out where Debian's packages are not: its kernel in an emulator, for the tests with real devices
# (tests/qemu/run.sh), and a browser that looks at the picture page, and at the camera that the portal gives it.
DEBIAN_TOOLS := qemu-system-x86 busybox-static kmod cpio linux-headers-amd64 chromium xdg-desktop-portal-gtk

.PHONY: help run test venv models lint types clean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.run-ready models  ## set up, then open the window; without a screen render demo.mp4
	@screen=$${WAYLAND_DISPLAY:-$$DISPLAY}; [ "$$(uname)" != Darwin ] || screen=desktop; \
	if [ -n "$$screen" ]; then \
		.ci/apt $(QT_LIBS); \
		if $(BIN)/python -c 'from PySide6.QtGui import QGuiApplication; QGuiApplication([])' >/dev/null 2>&1; then \
			exec $(BIN)/didlive run; \
		fi; \
		echo "The screen $$screen cannot be used ($(BIN)/didlive doctor says more)."; \
	else \
		echo "There is no screen (DISPLAY and WAYLAND_DISPLAY are not set)."; \
	fi; \
	echo "Rendering the demo to demo.mp4 instead of opening the window."; \
	$(BIN)/didlive animate --demo --out demo.mp4 && echo "Done: $$PWD/demo.mp4"

test: $(VENV)/.test-ready models  ## set up, then check style, layers and types and run all tests
	@.ci/apt $(QT_LIBS) $(TEST_TOOLS)
	@! apt-cache show linux-headers-amd64 >/dev/null 2>&1 || .ci/apt $(DEBIAN_TOOLS)
	@status=0; $(MAKE) --no-print-directory lint || status=1; $(MAKE) --no-print-directory types || status=1; \
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest || status=$$?; exit $$status

venv: $(VENV)/.test-ready  ## only make the virtual environment for development

lint: $(VENV)/.test-ready  ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo

types: $(VENV)/.test-ready  ## pyright
	$(BIN)/pyright

clean:  ## remove the virtual environment, caches and the demo
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache demo.mp4
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

models: $(VENV)/.run-ready
	@$(BIN)/didlive models fetch

$(VENV)/.made:
	@.ci/venv $(VENV)
	@touch $@

$(VENV)/.run-ready: $(PINS) | $(VENV)/.made
	@[ -e $(VENV)/.test-ready ] || echo "Installing didlive into $(VENV); the first time this takes some minutes."
	@$(PIP) --editable ".[ui]"
	@touch $@

$(VENV)/.test-ready: $(PINS) | $(VENV)/.made
	@echo "Installing didlive and its test tools into $(VENV); the first time this takes some minutes."
	@$(PIP) --editable ".[ui,evaluate,virtualcam,train,openvino,rtx,dev]"
	@touch $@ $(VENV)/.run-ready
