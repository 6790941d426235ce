# Each target is one plain line without make, too: python3 make.py demo, python3 make.py test
export STORY ENGINE SPEED DEMO

.PHONY: help demo test bench install
help demo test bench install:
	@python3 make.py $@
