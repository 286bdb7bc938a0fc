module lab.invalid/standin

go 1.24
