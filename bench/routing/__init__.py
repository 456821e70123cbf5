"""What `make bench-routing` measures: the policies on recorded outcomes, a decision's time, a price that jumps, a day of traffic."""
