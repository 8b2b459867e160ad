package main

func (p *place) openBroker(string) error { return notBuiltIn("broker") }
