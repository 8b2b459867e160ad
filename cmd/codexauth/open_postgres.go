package main

func (p *place) openPostgres(string) error { return notBuiltIn("postgres") }
