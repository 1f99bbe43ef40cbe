package selection

import "encoding/json"

// Object is a filter as JSON, in the form that the API takes it in.
type Object string

// Object is the filter in the form that the API takes it in.
func (f *Filter) Object() (Object, error) {
	type period struct {
		Count int    `json:"count"`
		Unit  string `json:"unit"`
	}
	o := map[string]any{}
	if f.Campaigns != nil {
		o["campaigns"] = f.Campaigns
	}
	if f.Segment != nil {
		o["segment"] = *f.Segment
	}
	if f.Where != nil {
		o["where"] = f.Where
	}
	if f.Channels != nil {
		o["channels"] = f.Channels
	}
	if f.Variants != nil {
		o["variants"] = f.Variants
	}
	if f.Categories != nil {
		o["categories"] = f.Categories
	}
	if f.Scores != nil {
		o["scores"] = f.Scores
	}
	if f.From != nil {
		o["from"] = f.From.String()
	}
	if f.To != nil {
		o["to"] = f.To.String()
	}
	if f.Last != nil {
		o["last"] = period{f.Last.Count, string(f.Last.Unit)}
	}
	if f.Search != nil {
		o["search"] = *f.Search
	}
	if f.HasComment != nil {
		o["hasComment"] = *f.HasComment
	}
	text, err := json.Marshal(o)
	return Object(text), err
}
