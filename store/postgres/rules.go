package postgres

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"
)

// poolRules are the parameters of a connection string that are about a pool, as
// users of pgx know them.
type poolRules struct {
	maxConns           int
	idleTime           time.Duration
	lifeTime, lifeMore time.Duration // a connection's life, and at most how much is added at random
}

func defaultRules() poolRules {
	return poolRules{maxConns: max(maxConns, runtime.NumCPU()), idleTime: idleTime, lifeTime: lifeTime}
}

// end is when a connection that is made now has lived long enough.
func (r poolRules) end() time.Time {
	life := r.lifeTime
	if r.lifeMore > 0 {
		life += rand.N(r.lifeMore)
	}
	return time.Now().Add(life)
}

// takePoolRules takes what is meant for pgx out of the parameters, which all go
// to the server otherwise. What can't be kept is refused, and no value is
// repeated: it may be part of a password with an unencoded character.
func takePoolRules(params map[string]string) (poolRules, error) {
	rules := defaultRules()
	for name, take := range map[string]func(value string) error{
		"pool_max_conns":                atLeast(1, &rules.maxConns),
		"pool_max_conn_idle_time":       duration(&rules.idleTime),
		"pool_max_conn_lifetime":        duration(&rules.lifeTime),
		"pool_max_conn_lifetime_jitter": durationOrZero(&rules.lifeMore),
		// Idle connections are ended by a timer of their own, and used without a ping
		// before: one that died is replaced.
		"pool_health_check_period": duration(new(time.Duration)),
		"pool_ping_timeout":        durationOrZero(new(time.Duration)),
		// Connections are made when they are needed.
		"pool_min_conns":      noneInAdvance,
		"pool_min_idle_conns": noneInAdvance,
		// Nothing is prepared, so there is nothing to remember.
		"statement_cache_capacity":   atLeast(0, new(int)),
		"description_cache_capacity": atLeast(0, new(int)),
		"default_query_exec_mode":    execMode,
	} {
		value, given := params[name]
		if !given {
			continue
		}
		delete(params, name)
		if err := take(value); err != nil {
			return rules, fmt.Errorf("%s in the connection string %w", name, err)
		}
	}
	return rules, nil
}

func atLeast(least int, n *int) func(string) error {
	return func(value string) (err error) {
		if *n, err = strconv.Atoi(value); err != nil || *n < least || *n > 1<<16 {
			return fmt.Errorf("must be a number from %d to %d", least, 1<<16)
		}
		return nil
	}
}

func duration(d *time.Duration) func(string) error {
	return func(value string) (err error) {
		if *d, err = time.ParseDuration(value); err != nil || *d <= 0 {
			return fmt.Errorf("must be a duration such as 30s or 5m")
		}
		return nil
	}
}

func durationOrZero(d *time.Duration) func(string) error {
	return func(value string) error {
		if n, err := strconv.Atoi(value); err == nil && n == 0 {
			return nil
		}
		return duration(d)(value)
	}
}

func noneInAdvance(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n != 0 {
		return fmt.Errorf("asks for connections in advance, which this store does not make: leave it out")
	}
	return nil
}

// execMode takes the modes that send parameters apart from the statement. All
// come to the same here: one round trip, and nothing to prepare for a single use.
func execMode(value string) error {
	switch value {
	case "cache_statement", "cache_describe", "describe_exec", "exec":
		return nil
	}
	return fmt.Errorf("must be exec, or be left out: this store sends parameters by the extended protocol only")
}
