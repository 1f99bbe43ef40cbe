// Package bar is the 0 to 10 bar for mails that a tenant sends by a provider of its own: its HTML, the merge tags by which each
// provider says who a mail is for, what comes back of them in the links, and the QR codes that lead to the same pages on paper.
package bar

import (
	"strings"

	"github.com/zeroten/zeroten/internal/apierror"
)

// Provider is who sends a tenant's own mails, and so how a recipient is named in a link.
type Provider string

// The values of the schema's MailProvider.
const (
	ActiveCampaign Provider = "ACTIVECAMPAIGN"
	Braze          Provider = "BRAZE"
	CustomerIO     Provider = "CUSTOMER_IO"
	Generic        Provider = "GENERIC"
	HubSpot        Provider = "HUBSPOT"
	Iterable       Provider = "ITERABLE"
	Klaviyo        Provider = "KLAVIYO"
	Mailchimp      Provider = "MAILCHIMP"
	SendGrid       Provider = "SENDGRID"
)

// Recipient is what a link says of whoever the mail was sent to.
type Recipient string

// The values of the schema's RecipientKey.
const (
	Email      Recipient = "EMAIL"
	ExternalID Recipient = "EXTERNAL_ID"
	None       Recipient = "NONE"
)

// MaxTag is how many characters a merge tag of the caller's own has at most.
const MaxTag = 200

// spelling is how a provider writes what it puts a recipient in the place of.
type spelling struct {
	// email and id are its merge tags; empty where it has none.
	email, id string
	// encodes says that an address comes encoded for a URL, and else as it is.
	encodes bool
}

// spellings are those of the providers' own manuals.
var spellings = map[Provider]spelling{
	ActiveCampaign: {email: "%EMAIL%", id: "%SUBSCRIBERID%"},
	Braze:          {email: "{{${email_address} | url_param_escape}}", id: "{{${user_id} | url_param_escape}}", encodes: true},
	CustomerIO:     {email: "{{customer.email | url_encode}}", id: "{{customer.id | url_encode}}", encodes: true},
	Generic:        {email: "{{email}}", id: "{{id}}"},
	HubSpot:        {email: "{{ contact.email|urlencode }}", id: "{{ contact.hs_object_id }}", encodes: true},
	Iterable:       {email: "{{#urlEncode}}{{email}}{{/urlEncode}}", id: "{{#urlEncode}}{{userId}}{{/urlEncode}}", encodes: true},
	Klaviyo:        {email: "{{ person.email|urlencode }}", id: "{{ person.external_id|urlencode }}", encodes: true},
	Mailchimp:      {email: "*|URL:EMAIL|*", id: "*|UNIQID|*", encodes: true},
	SendGrid:       {email: "{{email}}"},
}

// mergeTag is what a provider puts the recipient's address or id in the place of. It is empty for None; ok says whether there is
// one, or none is needed.
func mergeTag(p Provider, r Recipient) (tag string, ok bool) {
	s, known := spellings[p]
	switch r {
	case Email:
		tag = s.email
	case ExternalID:
		tag = s.id
	case None:
		return "", known
	}
	return tag, tag != ""
}

// Tag is the merge tag to use where the caller may have given one of its own: that, or else the provider's. It is empty for None.
// The error is a BAD_REQUEST that says the way out.
func Tag(p Provider, r Recipient, own *string) (string, error) {
	if own != nil && r != None {
		if fault := TagFault(*own); fault != "" {
			return "", apierror.BadRequest("mergeTag: %s", fault)
		}
		return *own, nil
	}
	tag, ok := mergeTag(p, r)
	if !ok {
		return "", apierror.BadRequest("%s has no merge tag of its own for the recipient's %s: give one as mergeTag.", p, r)
	}
	return tag, nil
}

// TagFault says what is wrong with a merge tag of the caller's own, as a sentence; empty where nothing is. A tag stands in HTML as it
// is, since its provider would not know it again where it was escaped; so it must hold nothing that would end an attribute.
func TagFault(tag string) string {
	if strings.TrimSpace(tag) == "" {
		return "A merge tag must not be empty."
	}
	if fault := apierror.TooLongFor(MaxTag, tag); fault != "" {
		return "A merge tag has " + fault + "."
	}
	if strings.ContainsAny(tag, `<>&"`) {
		return `A merge tag must have none of the characters < > & ": it stands in an attribute of HTML as it is.`
	}
	if strings.ContainsFunc(tag, apierror.NotInLine) {
		return "A merge tag must be one line, without control characters."
	}
	return ""
}
