"""Where a scenario is played: today the nodes of a lab, with the sample service on them."""
