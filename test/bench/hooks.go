package main

func measureHooks(rounds int, binary string) ([]Figure, error) { return nil, nil }
