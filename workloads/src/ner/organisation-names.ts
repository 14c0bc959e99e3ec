/** Our word list of organisations: what their names end and begin with, and those that are known without either. */

const list = (names: string): readonly string[] => names.split('|');

/** A capitalised name that ends in one of these is an organisation. */
export const ENDINGS: readonly string[] = list(
  "Ltd|Limited|plc|PLC|Plc|LLP|LLC|Inc|Incorporated|Corp|Corporation|Company|GmbH|AG|S.A.|B.V.|Group|Holdings|Partners|Partnership|Associates|Solicitors|Accountants|Surveyors|Architects|Consultants|Consulting|Builders|Contractors|Engineers|Engineering|Chambers|Bank|Building Society|Insurance|Assurance|Trust|Foundation|Fund|Charity|Council|Authority|University|College|School|Academy|Institute|Institution|Hospital|Hospice|Surgery|Infirmary|Clinic|Museum|Gallery|Library|Union|Association|Society|Federation|Agency|Ministry|Commission|Committee|Board|Office|Police|Constabulary|Fire Service|Ambulance Service|Services|Systems|Technologies|Technology|Software|Solutions|Industries|Enterprises|Energy|Water|Railway|Railways|Airways|Airlines|Logistics|Motors|Pharmaceuticals|Laboratories|Press|Publishing|Studios|Theatre|Orchestra|Football Club|Rugby Club|Cricket Club|Housing Association|Food Bank|Medical Centre|Health Centre|Medical Practice|Dental Practice|Crown Court|County Court|Magistrates Court|Magistrates' Court|Family Court|Sheriff Court|Parliament|Assembly|Registry|Tribunal|Ombudsman|Cathedral|& Sons|and Sons|& Co|& Daughters",
);

/** These, then "of" and a capitalised name, are organisations. */
export const BEGINNINGS_WITH_OF: readonly string[] = list(
  'University|Bank|Department|Ministry|Office|Institute|Institution|College|Royal College|Royal Society|Faculty|School|London School|Church|House|Court|High Court|Court of Appeal|Board|Chamber|Royal Borough|London Borough|Federation|Friends|Confederation',
);

/** What stands before "of" or "for" inside an organisation's name, beside the endings. */
export const INSTITUTIONS: ReadonlySet<string> = new Set(
  list(
    'Advocates|Archdiocese|Borough|Campaign|Centre|Chamber|Church|City|Community|Confederation|Convention|Corporation|County|Court|Department|Diocese|District|Duchy|Faculty|Friends|Guild|House|Isle|Isles|Kingdom|League|Mayor|Order|Parish|Port|Province|Riding|Royal|School|Sons|States|Town|Village|Women|Worshipful',
  ),
);

/** Known by themselves, to the name that stands for them. */
export const KNOWN: ReadonlyMap<string, string> = new Map([
  ...list(
    "Accenture|Airbus|Aldi|Amazon|Apple|Arup|Asda|AstraZeneca|Aviva|BAE Systems|Barclays|Barnardo's|Bayer|Boots|British Airways|British Gas|British Library|British Red Cross|BUPA|Capita|Centrica|Citizens Advice|Companies House|Costa Coffee|Credit Suisse|Currys|Deloitte|Diageo|easyJet|English Heritage|Ernst & Young|Ethiopian Airlines|Eurostar|Facebook|First Direct|Ford|GlaxoSmithKline|Goldman Sachs|Google|Greenpeace|Greggs|Guardian|Halfords|Help the Aged|Historic England|Honda|IBM|Intel|JD Sports|John Lewis|Land Registry|HM Land Registry|HM Treasury|HM Courts & Tribunals Service|Imperial College London|King's College London|Labour Party|Conservative Party|Green Party|Liberal Democrats|High Court of Justice|Law Society|Legal & General|Lidl|Lloyds|Lloyds Bank|London Stock Exchange|Macmillan Cancer Support|Marks & Spencer|McDonald's|Met Office|Meta|Microsoft|Monzo|Morrisons|National Grid|National Trust|Nationwide|NatWest|Nestlé|Netflix|Network Rail|Next|Nissan|Ocado|Octopus Energy|Oxfam|Ordnance Survey|Pfizer|Post Office|Prudential|Ofcom|Ofgem|Ofsted|Ofwat|OpenAI|Parliament|Planning Inspectorate|Rolls-Royce|Royal Mail|Ryanair|Sainsbury's|Samsung|Santander|Save the Children|Severn Trent|Shell|Siemens|Sony|Southern Water|Spotify|Starling|Starbucks|Tesco|Thames Water|Toyota|Transport for London|Uber|Unilever|Unite|Virgin Media|Vodafone|Waitrose|Wellcome|WHSmith|World Health Organization|Yorkshire Water|South West Water|United Nations|European Union|European Commission|House of Commons|House of Lords|Home Office|Foreign Office|Cabinet Office|Ministry of Justice|Ministry of Defence|Crown Prosecution Service|Environment Agency|Natural England|Highways England|National Highways|Health and Safety Executive|Financial Conduct Authority|Metropolitan Police|Scotland Yard|High Court|Supreme Court|Court of Appeal|Crown Court|County Court|Magistrates Court|Magistrates' Court|Scottish Government|Welsh Government|UK Government|Scottish Power|Bank of England",
  ).map((name) => [name, name] as const),
  ['BBC', 'British Broadcasting Corporation'],
  ['BT', 'BT'],
  ['CPS', 'Crown Prosecution Service'],
  ['DEFRA', 'Department for Environment, Food and Rural Affairs'],
  ['Defra', 'Department for Environment, Food and Rural Affairs'],
  ['DVLA', 'Driver and Vehicle Licensing Agency'],
  ['DVSA', 'Driver and Vehicle Standards Agency'],
  ['DWP', 'Department for Work and Pensions'],
  ['ECB', 'European Central Bank'],
  ['EU', 'European Union'],
  ['EY', 'Ernst & Young'],
  ['FCA', 'Financial Conduct Authority'],
  ['GCHQ', 'Government Communications Headquarters'],
  ['GSK', 'GlaxoSmithKline'],
  ['HMCTS', 'HM Courts & Tribunals Service'],
  ['HM Revenue & Customs', 'HM Revenue & Customs'],
  ['HM Revenue and Customs', 'HM Revenue & Customs'],
  ['HMRC', 'HM Revenue & Customs'],
  ['HSBC', 'HSBC'],
  ['ICO', "Information Commissioner's Office"],
  ["Information Commissioner's Office", "Information Commissioner's Office"],
  ['ITV', 'ITV'],
  ['KPMG', 'KPMG'],
  ['LSE', 'London School of Economics'],
  ['MI5', 'MI5'],
  ['MoD', 'Ministry of Defence'],
  ['MOD', 'Ministry of Defence'],
  ['M&S', 'Marks & Spencer'],
  ['NASA', 'NASA'],
  ['NATO', 'NATO'],
  ['Nato', 'NATO'],
  ['NHS', 'National Health Service'],
  ['NHS England', 'NHS England'],
  ['NHS Scotland', 'NHS Scotland'],
  ['NHS Wales', 'NHS Wales'],
  ['NICE', 'National Institute for Health and Care Excellence'],
  ['NSPCC', 'NSPCC'],
  ['OECD', 'OECD'],
  ['ONS', 'Office for National Statistics'],
  ['PwC', 'PricewaterhouseCoopers'],
  ['RAF', 'Royal Air Force'],
  ['RBS', 'Royal Bank of Scotland'],
  ['RNLI', 'Royal National Lifeboat Institution'],
  ['RSPB', 'RSPB'],
  ['RSPCA', 'RSPCA'],
  ['SEPA', 'Scottish Environment Protection Agency'],
  ['TfL', 'Transport for London'],
  ['TSB', 'TSB'],
  ['UCL', 'University College London'],
  ['UN', 'United Nations'],
  ['UNESCO', 'UNESCO'],
  ['UNICEF', 'UNICEF'],
  ['WHO', 'World Health Organization'],
  ['WWF', 'WWF'],
]);

/** Known names that are also plain words or people: only inside a sentence, never as its first word. */
export const AMBIGUOUS_KNOWN: ReadonlySet<string> = new Set([
  'Next',
  'Boots',
  'Shell',
  'Ford',
  'Apple',
  'Unite',
  'Intel',
  'Meta',
  'Guardian',
  'NICE',
  'WHO',
  'Starling',
]);
