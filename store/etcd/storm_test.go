package etcd

func play() {}
