// Four companies, as different as companies look: what the pages and mails are tried in.

// Sizes of the images, in pixels.
const logo = { width: 480, height: 120 };
const meadow = { width: 1600, height: 1200 };

const arabic = {
  locale: 'ar',
  question: 'ما مدى احتمال أن توصي بمكتبة الواحة لصديق أو زميل؟',
  lowLabel: 'غير محتمل إطلاقًا',
  highLabel: 'محتمل جدًا',
  followUpQuestions: {
    promoters: 'ما أكثر ما أعجبك لدينا؟',
    passives: 'ما الذي ينقصنا لنحصل على 10؟',
    detractors: 'كيف يمكننا تحسين تجربتك؟',
  },
  thankYous: { promoters: 'شكرًا لك! يسعدنا أنك راضٍ.', passives: 'شكرًا لك على رأيك.', detractors: 'شكرًا لصراحتك. سنعمل على أن نكون أفضل.' },
};

// brands are what updateBrand takes, a wording where the company has its own, and the steps that it leads on to.
export const brands = {
  plain: {
    brand: { name: 'Acme' },
    nextSteps: [{ label: 'Visit our help pages', url: 'https://acme.example/help' }],
  },
  colourful: {
    brand: {
      name: 'Lumen TV', accentColor: '#c2185b', backgroundColor: '#fff8f0', textColor: '#2a1a3e',
      website: 'https://lumen.example/', privacyPolicy: 'https://lumen.example/privacy',
    },
    logo: (context) => {
      context.clearRect(0, 0, 480, 120);
      context.fillStyle = '#c2185b';
      context.beginPath();
      context.arc(60, 60, 48, 0, 7);
      context.fill();
      context.fillStyle = '#ffb300';
      context.beginPath();
      context.arc(60, 60, 22, 0, 7);
      context.fill();
      context.fillStyle = '#2a1a3e';
      context.font = 'bold 60px sans-serif';
      context.fillText('Lumen TV', 128, 86);
    },
    background: (context) => {
      const sky = context.createLinearGradient(0, 0, 1600, 1200);
      for (const [at, colour] of [[0, '#5e35b1'], [0.5, '#d81b60'], [1, '#ffb300']]) sky.addColorStop(at, colour);
      context.fillStyle = sky;
      context.fillRect(0, 0, 1600, 1200);
      context.globalAlpha = 0.16;
      context.fillStyle = '#ffffff';
      for (const [x, y, r] of [[200, 240, 320], [1350, 330, 260], [820, 1080, 420]]) {
        context.beginPath();
        context.arc(x, y, r, 0, 7);
        context.fill();
      }
    },
    wording: {
      locale: 'en',
      followUpQuestions: {
        promoters: 'What do you like most about Lumen TV?',
        passives: 'What keeps you from a 10?',
        detractors: 'What went wrong, and how can we improve your experience?',
      },
    },
    nextSteps: [
      { label: 'Tell your friends, and get a month free', url: 'https://lumen.example/friends', categories: ['PROMOTER'] },
      { label: 'Rate us on TrustSite', url: 'https://trust.example/lumen', categories: ['PROMOTER'] },
      { label: 'Talk to our team', url: 'https://lumen.example/help', categories: ['DETRACTOR', 'PASSIVE'] },
    ],
  },
  dark: {
    brand: {
      name: 'Nocturne Audio', accentColor: '#7dd3c0', backgroundColor: '#10141a', textColor: '#e8ecf1',
      privacyPolicy: 'https://nocturne.example/privacy',
    },
    nextSteps: [{ label: 'Join the listening club', url: 'https://nocturne.example/club' }],
  },
  rightToLeft: {
    locale: 'ar',
    brand: {
      name: 'مكتبة الواحة', accentColor: '#00695c', backgroundColor: '#ffffff', textColor: '#1b2a28',
      privacyPolicy: 'https://alwaha.example/privacy',
    },
    wording: arabic,
    nextSteps: [{ label: 'اكتب تقييمًا', url: 'https://alwaha.example/review' }],
  },
};

// draw makes an image in a browser, and returns its bytes in base64.
export async function draw(page, { width, height }, type, paint) {
  const url = await page.evaluate(
    ([w, h, kind, code]) => {
      const canvas = document.createElement('canvas');
      Object.assign(canvas, { width: w, height: h });
      new Function('context', `(${code})(context)`)(canvas.getContext('2d'));
      return canvas.toDataURL(kind, 0.8);
    },
    [width, height, type, paint.toString()],
  );
  return url.split(',')[1];
}

// dress gives the tenant this look, and returns a campaign that asks in it. browser draws the images.
export async function dress(server, browser, { brand, logo: mark, background, locale = 'en', wording, nextSteps }) {
  const page = await browser.newPage();
  const input = {
    ...{ name: '', logo: '', backgroundImage: '', website: '', privacyPolicy: '' },
    ...{ accentColor: '#2457d6', backgroundColor: '#ffffff', textColor: '#1c2128' },
    ...brand,
    ...(mark && { logo: await draw(page, logo, 'image/png', mark) }),
    ...(background && { backgroundImage: await draw(page, meadow, 'image/jpeg', background) }),
  };
  await page.close();
  await server.ask('mutation ($input: UpdateBrandInput!) { updateBrand(input: $input) { userErrors { message } } }', { input });
  const { createCampaign } = await server.ask(
    'mutation ($name: String!) { createCampaign(input: { name: $name }) { campaign { id } userErrors { message } } }',
    { name: `${brand.name} ${crypto.randomUUID()}` },
  );
  const campaign = createCampaign.campaign.id;
  await server.ask('mutation ($input: UpdateSurveyInput!) { updateSurvey(input: $input) { userErrors { message } } }', {
    input: { campaign, locale, nextSteps },
  });
  if (wording) {
    await server.ask('mutation ($input: SetWordingInput!) { setWording(input: $input) { userErrors { message } } }', {
      input: { campaign, ...wording },
    });
  }
  return campaign;
}
