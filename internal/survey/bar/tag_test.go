package bar

import (
	"errors"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
)

// The tags are those that the schema promises.
func TestMergeTag(t *testing.T) {
	for _, test := range []struct {
		provider  Provider
		email, id string
	}{
		{"ACTIVECAMPAIGN", "%EMAIL%", "%SUBSCRIBERID%"},
		{"BRAZE", "{{${email_address} | url_param_escape}}", "{{${user_id} | url_param_escape}}"},
		{"CUSTOMER_IO", "{{customer.email | url_encode}}", "{{customer.id | url_encode}}"},
		{"GENERIC", "{{email}}", "{{id}}"},
		{"HUBSPOT", "{{ contact.email|urlencode }}", "{{ contact.hs_object_id }}"},
		{"ITERABLE", "{{#urlEncode}}{{email}}{{/urlEncode}}", "{{#urlEncode}}{{userId}}{{/urlEncode}}"},
		{"KLAVIYO", "{{ person.email|urlencode }}", "{{ person.external_id|urlencode }}"},
		{"MAILCHIMP", "*|URL:EMAIL|*", "*|UNIQID|*"},
		{"SENDGRID", "{{email}}", ""},
		{"PIGEON", "", ""},
	} {
		if tag, ok := mergeTag(test.provider, Email); tag != test.email || ok != (tag != "") {
			t.Errorf("the address of %s: %q, %v", test.provider, tag, ok)
		}
		if tag, ok := mergeTag(test.provider, ExternalID); tag != test.id || ok != (tag != "") {
			t.Errorf("the id of %s: %q, %v", test.provider, tag, ok)
		}
		if tag, ok := mergeTag(test.provider, None); tag != "" || ok != (test.email != "") {
			t.Errorf("none of %s: %q, %v", test.provider, tag, ok)
		}
	}
	for provider, s := range spellings {
		for _, tag := range []string{s.email, s.id} {
			if fault := TagFault(tag); tag != "" && fault != "" {
				t.Errorf("%s's %s: %s", provider, tag, fault)
			}
		}
	}
}

func TestTag(t *testing.T) {
	for name, test := range map[string]struct {
		provider  Provider
		recipient Recipient
		own       *string
		want      string
		fault     string
	}{
		"the provider's":               {Mailchimp, Email, nil, "*|URL:EMAIL|*", ""},
		"the caller's":                 {Mailchimp, Email, new("*|MERGE9|*"), "*|MERGE9|*", ""},
		"the caller's where none is":   {SendGrid, ExternalID, new("{{crm_id}}"), "{{crm_id}}", ""},
		"with single quotes":           {Generic, ExternalID, new("{{ x['id'] }}"), "{{ x['id'] }}", ""},
		"as long as it may be":         {Generic, Email, new(strings.Repeat("ö", 200)), strings.Repeat("ö", 200), ""},
		"none needed":                  {SendGrid, None, nil, "", ""},
		"none needed, and a wrong one": {SendGrid, None, new("<"), "", ""},
		"none is":                      {SendGrid, ExternalID, nil, "", "give one as mergeTag"},
		"empty":                        {Generic, Email, new(""), "", "empty"},
		"blank":                        {Generic, Email, new(" \u00a0"), "", "empty"},
		"too long":                     {Generic, Email, new(strings.Repeat("ö", 201)), "", "at most 200 characters, not 201"},
		"opens an element":             {Generic, Email, new("<%= email %"), "", "none of the characters"},
		"closes an element":            {Generic, Email, new("a>"), "", "none of the characters"},
		"an ampersand":                 {Generic, Email, new("a&b"), "", "none of the characters"},
		"a double quote":               {Generic, Email, new(`{{ x["id"] }}`), "", "none of the characters"},
		"a line feed":                  {Generic, Email, new("a\nb"), "", "one line"},
		"a carriage return":            {Generic, Email, new("a\rb"), "", "one line"},
		"a line separator":             {Generic, Email, new("a\u2028b"), "", "one line"},
		"a next line":                  {Generic, Email, new("a\u0085b"), "", "one line"},
		"turned around":                {Generic, Email, new("a\u202eb"), "", "one line"},
		"a tab":                        {Generic, Email, new("a\tb"), "", "one line"},
		"U+0000":                       {Generic, Email, new("a\x00b"), "", "control"},
	} {
		tag, err := Tag(test.provider, test.recipient, test.own)
		if tag != test.want || (err != nil) != (test.fault != "") {
			t.Errorf("%s: %q, %v", name, tag, err)
			continue
		}
		var bad *apierror.Error
		if err != nil && (!errors.As(err, &bad) || bad.Code != apierror.BadRequestCode || !strings.Contains(bad.Message, test.fault)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
