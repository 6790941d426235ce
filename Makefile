# Each target is one plain line without make, too: python3 make.py demo, python3 make.py test
export STORY ENGINE FORGE SPEED DEMO KIND MINUTES JOBS SEED APPLICATIONS

.PHONY: help demo docs test bench bench-detection bench-load soak replay lab install
help demo docs test bench bench-detection bench-load soak replay lab install:
	@python3 make.py $@
