package main

func (p *place) openEtcd(string) error { return notBuiltIn("etcd") }
