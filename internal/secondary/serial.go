package secondary

import (
	"context"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Serial asks a server for the serial that it has of a zone.
func Serial(ctx context.Context, from Primary, apex dname.Name) (zone.Serial, error) {
	c := client{dial: dial, now: time.Now}
	a, err := c.soa(ctx, &from, apex)
	if err != nil {
		return 0, err
	}
	a.close()
	return a.serial, nil
}
