package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// statement is one statement of a batch. Its parameters go by the extended
// protocol, and never into its text.
type statement struct {
	sql  string
	args []arg
	row  func(values [][]byte) error // a row in the binary formats; a NULL is nil. The values are good until it returns.
	done func(rows int64) error      // after the last row: how many were found or changed
}

// arg is a parameter in the protocol's text or binary format.
type arg struct {
	value  []byte
	binary bool
}

func text(s string) arg     { return arg{value: []byte(s)} }
func number(n int64) arg    { return text(strconv.FormatInt(n, 10)) }
func bytea(b []byte) arg    { return arg{value: append([]byte{}, b...), binary: true} } // nil would be NULL
func keyArg(key string) arg { return bytea([]byte(key)) }

// isTrue reads a boolean in the binary format.
func isTrue(value []byte) bool { return len(value) == 1 && value[0] == 1 }

// run sends the statements in one round trip and one transaction. Those after one
// that fails are not executed.
func run(ctx context.Context, conn *session, statements ...statement) error {
	var batch pgconn.Batch
	for _, s := range statements {
		values, formats := make([][]byte, len(s.args)), make([]int16, len(s.args))
		for i, a := range s.args {
			values[i] = a.value
			if a.binary {
				formats[i] = 1
			}
		}
		batch.ExecParams(s.sql, values, nil, formats, []int16{1})
	}
	results := conn.ExecBatch(ctx, &batch)
	var failed error // of the first function that failed
	for _, s := range statements {
		if !results.NextResult() {
			break
		}
		if err := s.read(results.ResultReader()); err != nil && failed == nil {
			failed = err
		}
	}
	if err := results.Close(); failed == nil {
		return err
	}
	return failed
}

// read reads what the server answered to one statement.
func (s *statement) read(results *pgconn.ResultReader) (failed error) {
	for results.NextRow() {
		if s.row != nil && failed == nil {
			failed = s.row(results.Values())
		}
	}
	tag, err := results.Close()
	if err == nil && failed == nil && s.done != nil {
		failed = s.done(tag.RowsAffected())
	}
	return failed
}
