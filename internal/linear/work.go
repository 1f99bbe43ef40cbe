package linear

// DriversWork is roughly how much work [Drivers] is, known beforehand from how many profiles there are and how many values
// each trait has: in steps that take a processor about a nanosecond, give or take a half, where all values have enough
// responses to be looked at.
func DriversWork(profiles int, values []int) int64 {
	rows, traits, columns := float64(profiles), float64(len(values)+1), columnsOf(values)
	return steps(1e5 + rows*(90*traits+traits*traits) + 0.5*columns*columns*columns)
}

// HotspotsWork is how much work [Hotspots] is at worst, in the same steps: where nearly all groups differ from the rest, and as
// many are named as can be. Where few do it takes a third of that, or less.
func HotspotsWork(profiles int, values []int, pairs bool) int64 {
	rows, traits, columns := float64(profiles), float64(len(values)+1), columnsOf(values)
	work := 1e5 + rows*60*traits
	if !pairs {
		return steps(work)
	}
	work += rows*(40*traits+traits*traits) + 0.3*columns*columns*columns
	for b := range values {
		for a := range b {
			// What the rounds go through, what tests take, and what it takes to see groups net of the model.
			groups := min(float64(valuesAtMost(values[a]))*float64(valuesAtMost(values[b])), rows)
			work += 200*rows + 650*groups + min(groups*columns, rows*traits)*columns/4
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
