package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/internal/rig/pgserver"
)

// flat reads one record among few and among many.
func (f *fleetRun) flat() error {
	e, ok := f.e.(*pgEngine)
	if !ok { // an etcd of that size is filled for minutes: its package has a benchmark
		return nil
	}
	var stores []codexauth.Store
	for _, n := range []int{1, 100_000} {
		store, err := e.filled(n)
		if err != nil {
			return err
		}
		defer rig.CloseStore(store)
		stores = append(stores, store)
	}
	few, many, err := loadTimes(stores[0], stores[1], "runner-1")
	if err != nil {
		return err
	}
	fmt.Printf("  Load: %.3f ms among one record, %.3f ms among 100,000\n", few*1e3, many*1e3)
	f.judge(verdict{What: "Load among 100,000 records / among one", Got: many / few, Bound: 1.3, Speed: true})
	return nil
}

// filled is a store with n records.
func (e *pgEngine) filled(n int) (codexauth.Store, error) {
	address, _, err := e.room()
	if err != nil {
		return nil, err
	}
	store, err := e.open(address)
	if err != nil {
		return nil, err
	}
	if err := put(store, "runner-1", strings.Repeat("r", 4400)); err != nil {
		return nil, err
	}
	table := address[strings.LastIndex(address, "=")+1:] + ".codexauth_records"
	_, err = e.Query(pgserver.Database, fmt.Sprintf(`INSERT INTO %s (key, version, record)
		SELECT convert_to('runner-' || i, 'UTF8'), gen_random_uuid()::text, convert_to(repeat('r', 4400), 'UTF8')
		FROM generate_series(2, %d) i`, table, n))
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{"VACUUM ANALYZE " + table, "CHECKPOINT"} {
		if _, err := e.Query(pgserver.Database, sql); err != nil {
			return nil, err
		}
	}
	return store, nil
}

func put(store codexauth.Store, key, record string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := store.Claim(ctx, key)
	if err != nil {
		return err
	}
	return errors.Join(c.Commit(ctx, []byte(record)), c.Release())
}

// loadTimes are the medians of many, in turn, in seconds.
func loadTimes(one, other codexauth.Store, key string) (a, b float64, err error) {
	var times [2][]float64
	for i := range 1000 {
		for j, store := range []codexauth.Store{one, other} {
			began := time.Now()
			if _, err := store.Load(context.Background(), key); err != nil {
				return 0, 0, err
			}
			if i >= 100 {
				times[j] = append(times[j], time.Since(began).Seconds())
			}
		}
	}
	return rig.Median(times[0]), rig.Median(times[1]), nil
}
