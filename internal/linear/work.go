package linear

// Work is in steps of about a nanosecond of one processor. It is known beforehand, from how many profiles there are and how
// many values each trait has, and is what it takes at worst: where all values have enough responses to be looked at, and
// nearly all groups differ from the rest. Where nothing does, [Hotspots] takes a fifth of it, or less.

// DriversWork is roughly how much work [Drivers] is.
func DriversWork(profiles int, values []int) int64 {
	rows, traits, columns := float64(profiles), float64(len(values)+1), columnsOf(values)
	return steps(rows*(60*traits+2*traits*traits) + 0.9*columns*columns*columns)
}

// HotspotsWork is roughly how much work [Hotspots] is.
func HotspotsWork(profiles int, values []int, pairs bool) int64 {
	rows, traits, columns := float64(profiles), float64(len(values)+1), columnsOf(values)
	work := rows * 60 * traits
	if !pairs {
		return steps(work)
	}
	work += rows*(40*traits+traits*traits) + 0.4*columns*columns*columns
	for b := range values {
		for a := range b {
			// What is looked at in the rounds, and what it takes to see it net of the model.
			groups := min(float64(valuesAtMost(values[a]))*float64(valuesAtMost(values[b])), rows)
			work += 85*rows + 650*groups + min(groups*columns, rows*traits)*columns/4
		}
	}
	return steps(work)
}

// valuesAtMost is how many values of a trait are looked at, Other among them.
func valuesAtMost(values int) int { return min(values, MostValues+1) }

// columnsOf is how many columns a model has at most.
func columnsOf(values []int) float64 {
	columns := 1
	for _, k := range values {
		columns += max(valuesAtMost(k)-1, 0)
	}
	return float64(columns)
}

func steps(x float64) int64 { return int64(min(x, 1<<62)) }
