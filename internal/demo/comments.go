package demo

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/zeroten/zeroten/internal/calendar"
)

type language int

const (
	english language = iota
	dutch
	german
	languages
)

func (l language) locale() string { return [...]string{"en", "nl", "de"}[l] }

type tone int

const (
	bad tone = iota
	mixed
	good
	tones
)

func toneOf(score int) tone {
	switch {
	case score >= 9:
		return good
	case score >= 7:
		return mixed
	}
	return bad
}

// topic is what a comment is about.
type topic int

const (
	theOutage   topic = iota // while it goes on, and while it is remembered
	theRepair                // remembered kindly
	thePrice                 // the rise
	theWait                  // on the phone, before the better help desk
	theHelp                  // of the better help desk, or a good call
	theCall                  // neither good nor bad
	theLatency               // of Basic
	theVisit                 // an installation that went well
	theMishap                // one that did not
	allWell                  // nothing in particular
	notQuite                 //
	notWell                  //
	topicsCount              //
)

// topic finds what moved the customer most, with some chance.
func (w *world) topic(random *rand.Rand, c *customer, about subject, on calendar.Day, m mood, t tone) topic {
	chance := func(p float64) bool { return random.Float64() < p }
	switch {
	case m.outage < 0 && t != good && chance(min(-m.outage/2.2, 0.9)):
		return theOutage
	case m.outage < 0 && on >= w.repaired && t == good && chance(0.35):
		return theRepair
	case about == supportCall && t == good:
		return theHelp
	case about == supportCall && t == mixed:
		return theCall
	case about == supportCall && chance(0.8-0.25*m.help):
		return theWait
	case about == installation && t == good:
		return theVisit
	case about == installation && chance(0.75):
		return theMishap
	case m.price < 0 && t != good && chance(min(-0.75*m.price, 0.7)):
		return thePrice
	case c.persona == gamer && c.planOn(on) == basic && t == bad && chance(0.75):
		return theLatency
	case about == relationship && t == good && chance(0.4*m.help):
		return theHelp
	}
	return [...]topic{bad: notWell, mixed: notQuite, good: allWell}[t]
}

// comment is what the customer writes: about what moved them, often with a word about themselves and a last one.
func (w *world) comment(random *rand.Rand, c *customer, about subject, on calendar.Day, m mood, score int) string {
	t := toneOf(score)
	words := &phrasebook[c.language]
	var b strings.Builder
	b.WriteString(say(random, c, on, words.topics[w.topic(random, c, about, on, m, t)]))
	if random.IntN(100) < 35 {
		b.WriteByte(' ')
		b.WriteString(say(random, c, on, words.personas[c.persona][t]))
	}
	if random.IntN(100) < 25 {
		b.WriteByte(' ')
		b.WriteString(choose(random, words.last[t]))
	}
	return b.String()
}

// say chooses one of the sentences that can be true of the customer, and puts what is so into it.
func say(random *rand.Rand, c *customer, on calendar.Day, sentences []string) string {
	months := calendar.WholeMonths(c.since, on)
	sentence := choose(random, sentences)
	for months < 12 && strings.Contains(sentence, "{years}") {
		sentence = choose(random, sentences)
	}
	if !strings.Contains(sentence, "{") {
		return sentence
	}
	number := func(from, to int) string { return strconv.Itoa(from + random.IntN(to-from+1)) }
	return strings.NewReplacer(
		"{plan}", plans[c.planOn(on)],
		"{where}", places[c.language][c.region],
		"{years}", phrasebook[c.language].years(months/12),
		"{minutes}", number(20, 70),
		"{few}", number(2, 6),
		"{days}", number(3, 9),
		"{ping}", number(80, 190),
		"{speed}", number(4, 28),
	).Replace(sentence)
}

// asciiName turns a name in lower case into what stands in an address.
var asciiName = strings.NewReplacer(" ", "", "'", "", "ë", "e", "é", "e", "ö", "oe", "ü", "ue", "ä", "ae", "ß", "ss")

var routers = [...]string{"FL-300", "FL-500", "FL-500X", "FL-700", "own router"}

var places = [languages][len(regions)]string{
	english: {"in the North", "in the East", "in the South", "in the West", "on the coast"},
	dutch:   {"in het noorden", "in het oosten", "in het zuiden", "in het westen", "aan de kust"},
	german:  {"im Norden", "im Osten", "im Süden", "im Westen", "an der Küste"},
}

var firstNames = [languages][]string{
	english: {
		"Alice", "Amir", "Anna", "Ben", "Carla", "Chris", "Dana", "David", "Elena", "Emma", "Farid", "Grace", "Hannah", "Ivan", "Jack",
		"Julia", "Karim", "Laura", "Leo", "Lucy", "Maria", "Mark", "Maya", "Nadia", "Noah", "Olivia", "Omar", "Paul", "Rosa", "Sam",
		"Sara", "Simon", "Sofia", "Tara", "Tom", "Victor", "Yara", "Zoë",
	},
	dutch: {
		"Anouk", "Bart", "Bram", "Daan", "Eva", "Femke", "Fleur", "Gijs", "Hanneke", "Ilse", "Jasper", "Jeroen", "Joris", "Lieke",
		"Lotte", "Maarten", "Marijke", "Niels", "Renée", "Ruben", "Sanne", "Sjoerd", "Thijs", "Wouter",
	},
	german: {
		"Anja", "Birgit", "Dieter", "Franziska", "Günter", "Heike", "Ingrid", "Jörg", "Jürgen", "Katrin", "Lars", "Matthias", "Monika",
		"Petra", "Sabine", "Stefan", "Uwe", "Wolfgang",
	},
}

var lastNames = [languages][]string{
	english: {
		"Abbott", "Ahmed", "Baker", "Bennett", "Carter", "Costa", "Diaz", "Edwards", "Evans", "Foster", "Garcia", "Green", "Haddad",
		"Harris", "Hughes", "Ibrahim", "Jensen", "Kaya", "Kelly", "Kowalski", "Lewis", "Lopez", "Mason", "Morgan", "Novak", "O'Brien",
		"Owens", "Parker", "Popov", "Reed", "Rossi", "Shaw", "Silva", "Turner", "Walsh", "Wood", "Yilmaz",
	},
	dutch: {
		"Bakker", "Bos", "Brouwer", "de Boer", "de Groot", "de Vries", "Dekker", "Dijkstra", "Hendriks", "Hoekstra", "Jansen", "Kok",
		"Kuipers", "Meijer", "Mulder", "Peters", "Postma", "Smit", "van Dam", "van den Berg", "van Dijk", "van Leeuwen", "Visser", "Vos",
	},
	german: {
		"Bauer", "Becker", "Fischer", "Hoffmann", "Keller", "Klein", "Köhler", "Krüger", "Lehmann", "Müller", "Richter", "Schäfer",
		"Schmidt", "Schneider", "Schröder", "Vogel", "Wagner", "Weiß", "Zimmermann",
	},
}

// phrases are a language's sentences.
type phrases struct {
	topics   [topicsCount][]string
	personas [len(personas)][tones][]string
	last     [tones][]string
	// years writes a number of years.
	years func(n int) string
}

func yearsIn(one, more string) func(int) string {
	return func(n int) string {
		if n == 1 {
			return one
		}
		return strconv.Itoa(n) + " " + more
	}
}

var phrasebook = [languages]phrases{
	english: {
		years: yearsIn("a year", "years"),
		topics: [topicsCount][]string{
			theOutage: {
				"The outage {where} left us offline for {days} days.",
				"{days} days without internet, and nobody could say when it would be back.",
				"Still angry about the outage. Not even an apology.",
				"During the outage the status page said that everything was fine.",
				"We had to work from a café for {days} days because of the outage.",
				"Since the outage the connection drops {few} times a day.",
				"An outage can happen, but no information for {days} days cannot.",
			},
			theRepair: {
				"After the outage you kept your word and gave us a month for free.",
				"The outage was bad, but you repaired it and explained what had happened.",
				"Much more stable than before the outage.",
			},
			thePrice: {
				"The price went up and I get nothing more for it.",
				"Too expensive since the price rise, {plan} is not worth it any more.",
				"After {years} as a customer I am thanked with a higher price.",
				"The new price for {plan} is hard to explain.",
				"Others offer the same for less since you raised the price.",
				"The connection is fine, the new price is not.",
				"I only learned of the price rise from my bank statement.",
			},
			theWait: {
				"{minutes} minutes on hold, and then I was cut off.",
				"I called {few} times and explained the same thing each time.",
				"I waited {minutes} minutes for somebody who could not help me.",
				"Transferred {few} times, and the problem is still there.",
				"The help desk told me to restart the router. I had done that {few} times.",
				"They promised to call back. That was {days} days ago.",
			},
			theHelp: {
				"The help desk picked up at once and knew what to do.",
				"Friendly and quick, solved in one call.",
				"They called back within the hour, as promised.",
				"What a difference: the help desk is really good now.",
				"The lady on the phone found the fault within {few} minutes.",
				"No menu, no music, just somebody who could help.",
				"They stayed on the line until everything worked again.",
			},
			theCall: {
				"It was solved in the end, but it took {few} calls.",
				"Friendly, but I had to wait {minutes} minutes.",
				"The answer was right, it just took long.",
				"Solved, though I would rather have done it online.",
			},
			theLatency: {
				"The ping goes up to {ping} ms every evening, games are unplayable.",
				"{plan} is useless for gaming: {ping} ms and packet loss.",
				"Downloading one game takes all night at {speed} Mbit/s.",
				"Lag, lag, lag. I lose every ranked match after eight.",
				"I get kicked from the server {few} times an evening.",
				"You sell {plan} as fast, but the latency is a joke.",
			},
			theVisit: {
				"The technician came on time and left everything tidy.",
				"Installed within an hour, and it worked at once.",
				"The box arrived the next day, plugging it in was all I had to do.",
				"Clear instructions, online after {few} minutes.",
				"The mechanic also looked at our old cables. Great service.",
			},
			theMishap: {
				"The technician came {few} hours late.",
				"I took a day off and nobody came.",
				"It took {days} days longer than promised.",
				"The cable now runs right across the living room.",
				"A second visit was needed, since parts were missing.",
				"The instructions for the router did not fit my model.",
			},
			allWell: {
				"It just works, for {years} now.",
				"Fast and stable, nothing to complain about.",
				"Always the speed that I pay for.",
				"Best provider {where}.",
				"I have recommended you to {few} neighbours already.",
				"{plan} does all that I need.",
				"Good router, good Wi-Fi in every room.",
				"Fair, clear bills and a fast connection.",
			},
			notQuite: {
				"Fine most of the time, but the Wi-Fi upstairs is weak.",
				"Good connection, but the app could be better.",
				"Does what it should, no more and no less.",
				"Usually fast, slow in the evening.",
				"Good, but others are cheaper.",
				"The router needs a restart now and then.",
				"The upload could be faster on {plan}.",
				"Happy so far. Let us see how it goes.",
			},
			notWell: {
				"The connection drops {few} times a day.",
				"I pay for {plan} and get {speed} Mbit/s.",
				"The Wi-Fi does not even reach the kitchen.",
				"Slow every evening, for {years} now.",
				"The router is old, and a new one costs extra.",
				"New customers get a better offer than I do after {years}.",
				"Bills that nobody can understand.",
				"Cancelling is made as hard as possible.",
			},
		},
		personas: [len(personas)][tones][]string{
			gamer: {
				bad:   {"As a gamer I need a low ping above all.", "My whole clan is with somebody else.", "Streaming my games is out of the question."},
				mixed: {"For gaming the ping could be a little lower.", "Okay for casual games.", "The big updates take their time."},
				good:  {"The ping is great, no lag at all.", "Perfect for gaming.", "Updates download in minutes."},
			},
			family: {
				bad:   {"With the children at home it is a disaster.", "Two films at once, and everything stops.", "The kids complain every day."},
				mixed: {"With everybody online it gets a bit slow.", "Good enough for the family.", "More Wi-Fi in the children's rooms would be nice."},
				good:  {"All of us can be online at once.", "Even with three films running nobody complains.", "The parental controls are a real help."},
			},
			remoteWorker: {
				bad:   {"My video calls freeze in front of customers.", "I cannot work from home like this.", "I now use my phone for meetings."},
				mixed: {"Video calls mostly work.", "For working from home I would like more upload.", "A backup line would be welcome."},
				good:  {"Video calls all day without a hitch.", "I can rely on it for work.", "The upload is great for my work."},
			},
			senior: {
				bad:   {"At my age I do not want to puzzle over this.", "Nobody explains it in plain words.", "I just want to call my grandchildren."},
				mixed: {"I would like the manual in larger print.", "My son had to help me with the settings.", "I do not need much, after all."},
				good:  {"Everything was explained patiently.", "I can see my grandchildren on the screen every week.", "Simple and reliable, as I like it."},
			},
			student: {
				bad:   {"For a student this is far too much money.", "I missed an online exam because of it.", "The library has better internet."},
				mixed: {"A student discount would be nice.", "Fine for lectures and films.", "Shared between four in our flat it is just enough."},
				good:  {"Cheap enough for a student, and fast.", "The whole flat is happy with it.", "Online lectures never stutter."},
			},
		},
		last: [tones][]string{
			bad:   {"I am looking for another provider.", "Please do something.", "Very disappointing.", "I would not do it again.", "Never again.", "Fix this."},
			mixed: {"All in all okay.", "There is room for more.", "Keep going.", "We will see.", "Thanks anyway."},
			good:  {"Keep it up!", "Thank you!", "Would recommend any time.", "Very happy.", "Well done 👍", "Please stay like this."},
		},
	},
	dutch: {
		years: yearsIn("een jaar", "jaar"),
		topics: [topicsCount][]string{
			theOutage: {
				"Door de storing {where} zaten we {days} dagen zonder internet.",
				"{days} dagen storing en niemand kon iets zeggen.",
				"Sinds de storing valt de verbinding {few} keer per dag weg.",
				"Nog steeds boos over de storing, er kon niet eens een excuus af.",
			},
			theRepair: {"Na de storing is het netjes opgelost.", "De storing was vervelend, maar jullie hebben alles goed uitgelegd."},
			thePrice: {
				"De prijs is omhoog gegaan en ik krijg er niets voor terug.",
				"Na {years} klant te zijn krijg ik een hogere prijs als dank.",
				"{plan} is te duur geworden.",
				"Elders krijg ik hetzelfde voor minder.",
			},
			theWait: {
				"{minutes} minuten in de wacht en toen werd de verbinding verbroken.",
				"Ik heb {few} keer gebeld en steeds hetzelfde moeten uitleggen.",
				"Ze zouden terugbellen, dat is {days} dagen geleden.",
			},
			theHelp: {
				"De helpdesk nam meteen op en wist wat er aan de hand was.",
				"Vriendelijk en snel geholpen.",
				"De helpdesk is echt veel beter geworden.",
				"In één telefoontje opgelost.",
			},
			theCall: {"Uiteindelijk opgelost, maar pas na {few} keer bellen.", "Vriendelijk, maar wel {minutes} minuten gewacht."},
			theLatency: {
				"Elke avond een ping van {ping} ms, niet te doen met gamen.",
				"Met {plan} kun je niet gamen.",
				"Een game downloaden duurt de hele nacht met {speed} Mbit/s.",
			},
			theVisit:  {"De monteur was op tijd en heeft alles netjes achtergelaten.", "Binnen een uur aangesloten en het werkte meteen.", "Duidelijke uitleg, na {few} minuten online."},
			theMishap: {"De monteur kwam {few} uur te laat.", "Een dag vrij genomen en er kwam niemand.", "Het duurde {days} dagen langer dan beloofd."},
			allWell: {
				"Het werkt gewoon, al {years} lang.",
				"Snel en stabiel, niets te klagen.",
				"Beste provider {where}.",
				"Ik heb jullie al aan {few} buren aangeraden.",
			},
			notQuite: {"Meestal prima, maar de wifi boven is zwak.", "Goed, maar anderen zijn goedkoper.", "'s Avonds soms wat traag.", "De app kan beter."},
			notWell: {
				"De verbinding valt {few} keer per dag weg.",
				"Ik betaal voor {plan} en krijg {speed} Mbit/s.",
				"Elke avond traag, al {years} lang.",
				"Van de rekening is niets te begrijpen.",
			},
		},
		personas: [len(personas)][tones][]string{
			gamer: {
				bad:   {"Als gamer heb ik hier niets aan.", "Mijn vrienden zitten allemaal ergens anders."},
				mixed: {"Voor games mag de ping iets lager.", "Prima voor een potje af en toe."},
				good:  {"Perfect om te gamen.", "Geen enkele lag."},
			},
			family: {
				bad:   {"De kinderen klagen elke dag.", "Met het hele gezin online ligt alles stil."},
				mixed: {"Met het hele gezin online wordt het wat traag.", "Goed genoeg voor ons gezin."},
				good:  {"We kunnen allemaal tegelijk online.", "Ook de kinderen zijn tevreden."},
			},
			remoteWorker: {
				bad:   {"Zo kan ik niet thuiswerken.", "Videobellen met klanten lukt niet meer."},
				mixed: {"Voor thuiswerken zou ik graag meer upload willen.", "Vergaderen gaat meestal goed."},
				good:  {"Ideaal om thuis te werken.", "De hele dag videobellen zonder haperen."},
			},
			senior: {
				bad:   {"Op mijn leeftijd wil ik geen gedoe.", "Niemand legt het gewoon even uit."},
				mixed: {"Mijn zoon moest helpen met instellen.", "Ik heb niet zoveel nodig."},
				good:  {"Alles werd rustig uitgelegd.", "Nu kan ik met de kleinkinderen beeldbellen."},
			},
			student: {
				bad:   {"Voor een student is dit veel te duur.", "Ik heb er een online tentamen door gemist."},
				mixed: {"Een studentenkorting zou fijn zijn.", "Genoeg voor colleges en series."},
				good:  {"Betaalbaar voor een student, en snel.", "Het hele studentenhuis is blij."},
			},
		},
		last: [tones][]string{
			bad:   {"Ik ga overstappen.", "Doe hier iets aan.", "Erg teleurstellend."},
			mixed: {"Al met al in orde.", "Kan beter.", "Ga zo door."},
			good:  {"Ga zo door!", "Bedankt!", "Echt een aanrader."},
		},
	},
	german: {
		years: yearsIn("einem Jahr", "Jahren"),
		topics: [topicsCount][]string{
			theOutage: {
				"Wegen der Störung {where} waren wir {days} Tage offline.",
				"{days} Tage Störung, und niemand konnte etwas sagen.",
				"Seit der Störung bricht die Verbindung {few}-mal am Tag ab.",
				"Immer noch verärgert über die Störung.",
			},
			theRepair: {"Nach der Störung wurde alles sauber behoben.", "Die Störung war ärgerlich, aber ihr habt gut informiert."},
			thePrice: {
				"Der Preis ist gestiegen, die Leistung nicht.",
				"Nach {years} als Kunde bekomme ich zum Dank einen höheren Preis.",
				"{plan} ist zu teuer geworden.",
				"Woanders gibt es dasselbe für weniger.",
			},
			theWait: {
				"{minutes} Minuten in der Warteschleife, dann aufgelegt.",
				"{few}-mal angerufen und jedes Mal alles neu erklärt.",
				"Der versprochene Rückruf ist seit {days} Tagen überfällig.",
			},
			theHelp: {
				"Die Hotline ging sofort ran und wusste Bescheid.",
				"Freundlich und schnell geholfen.",
				"Der Kundendienst ist wirklich viel besser geworden.",
				"Mit einem Anruf erledigt.",
			},
			theCall:    {"Am Ende gelöst, aber erst nach {few} Anrufen.", "Freundlich, aber {minutes} Minuten gewartet."},
			theLatency: {"Jeden Abend ein Ping von {ping} ms, Spielen unmöglich.", "Mit {plan} kann man nicht spielen.", "Ein Spiel zu laden dauert mit {speed} Mbit/s die ganze Nacht."},
			theVisit:   {"Der Techniker war pünktlich und sehr ordentlich.", "In einer Stunde angeschlossen, lief sofort.", "Klare Anleitung, nach {few} Minuten online."},
			theMishap:  {"Der Techniker kam {few} Stunden zu spät.", "Einen Tag freigenommen, und niemand kam.", "Es dauerte {days} Tage länger als versprochen."},
			allWell:    {"Läuft einfach, seit {years}.", "Schnell und stabil, nichts zu meckern.", "Der beste Anbieter {where}.", "Schon {few} Nachbarn empfohlen."},
			notQuite:   {"Meist gut, aber das WLAN oben ist schwach.", "Gut, aber andere sind günstiger.", "Abends manchmal etwas langsam.", "Die App könnte besser sein."},
			notWell: {
				"Die Verbindung bricht {few}-mal am Tag ab.",
				"Ich zahle für {plan} und bekomme {speed} Mbit/s.",
				"Jeden Abend langsam, seit {years}.",
				"Die Rechnung versteht kein Mensch.",
			},
		},
		personas: [len(personas)][tones][]string{
			gamer: {
				bad:   {"Zum Spielen völlig unbrauchbar.", "Meine Freunde sind alle woanders."},
				mixed: {"Für Spiele dürfte der Ping etwas niedriger sein.", "Für ab und zu ein Spiel reicht es."},
				good:  {"Perfekt zum Spielen.", "Kein bisschen Lag."},
			},
			family: {
				bad:   {"Die Kinder beschweren sich jeden Tag.", "Mit der ganzen Familie geht gar nichts mehr."},
				mixed: {"Mit der ganzen Familie wird es etwas langsam.", "Für unsere Familie reicht es."},
				good:  {"Wir können alle gleichzeitig ins Netz.", "Auch die Kinder sind zufrieden."},
			},
			remoteWorker: {
				bad:   {"So kann ich nicht von zu Hause arbeiten.", "Videokonferenzen frieren ständig ein."},
				mixed: {"Fürs Homeoffice hätte ich gern mehr Upload.", "Videokonferenzen gehen meistens."},
				good:  {"Ideal fürs Homeoffice.", "Den ganzen Tag Videokonferenzen ohne Ruckeln."},
			},
			senior: {
				bad:   {"In meinem Alter möchte ich keinen Ärger damit.", "Niemand erklärt es in einfachen Worten."},
				mixed: {"Mein Sohn musste beim Einrichten helfen.", "Ich brauche ja nicht viel."},
				good:  {"Alles wurde geduldig erklärt.", "Jetzt sehe ich meine Enkel jede Woche."},
			},
			student: {
				bad:   {"Für Studenten viel zu teuer.", "Ich habe deswegen eine Online-Prüfung verpasst."},
				mixed: {"Ein Studentenrabatt wäre schön.", "Für Vorlesungen und Serien reicht es."},
				good:  {"Bezahlbar und schnell.", "Die ganze WG ist zufrieden."},
			},
		},
		last: [tones][]string{
			bad:   {"Ich suche einen anderen Anbieter.", "Bitte tut etwas.", "Sehr enttäuschend."},
			mixed: {"Alles in allem in Ordnung.", "Da geht noch mehr.", "Weiter so."},
			good:  {"Weiter so!", "Danke!", "Klare Empfehlung."},
		},
	},
}
