"""Looking at nets and machines without changing them: timings, what the machine has to compute with."""
