package few_test

import (
	"fmt"

	"github.com/zeroten/zeroten/internal/few"
)

func ExampleHidden() {
	// The group of 3 cannot stand by itself, nor be what is left when all others are taken from the whole.
	hidden, _ := few.Hidden(10, []int64{200, 40, 3, 90})
	fmt.Println(hidden)
	// Output: [false true true false]
}
