# Each target is one line that calls swift or a script of scripts/, so that a person without make can do the same.
.PHONY: build test lint layering docs-check check demo bench fuzz release docs clean

build:
	scripts/install-packages.sh && swift build --product whisperq

test:
	scripts/test.sh

lint:
	scripts/lint.sh

layering:
	scripts/check-layering.sh

docs-check:
	scripts/docs.sh --check

check: lint layering test docs-check

demo:
	scripts/demo.sh

bench:
	scripts/bench.sh $(MODELS)

fuzz:
	scripts/fuzz.sh

release:
	scripts/release.sh

docs:
	scripts/docs.sh

clean:
	rm -rf .build Fuzz/.build dist .demo
