/** Our word list of places: the United Kingdom in detail, then countries and large cities that letters name. */

const list = (names: string): readonly string[] => names.split('|').map((name) => name.trim());

/** Names that are places wherever they stand with a capital, unless they are part of a longer name. */
export const PLACES: ReadonlySet<string> = new Set([
  ...list(
    'United Kingdom|UK|Great Britain|Britain|England|Scotland|Wales|Northern Ireland|Ireland|Isle of Man|Jersey|Guernsey|Channel Islands|British Isles',
  ),
  // Cities of the United Kingdom
  ...list(
    'Aberdeen|Armagh|Bangor|Belfast|Birmingham|Bradford|Brighton|Brighton and Hove|Bristol|Cambridge|Canterbury|Cardiff|Carlisle|Chelmsford|Chester|Chichester|Colchester|Coventry|Derby|Derry|Londonderry|Doncaster|Dundee|Dunfermline|Durham|Edinburgh|Ely|Exeter|Glasgow|Gloucester|Hereford|Inverness|Kingston upon Hull|Lancaster|Leeds|Leicester|Lichfield|Lisburn|Liverpool|London|City of London|Greater London|Manchester|Greater Manchester|Milton Keynes|Newcastle|Newcastle upon Tyne|Newport|Newry|Norwich|Nottingham|Oxford|Perth|Peterborough|Plymouth|Portsmouth|Preston|Ripon|Salford|Salisbury|Sheffield|Southampton|Southend|Southend-on-Sea|St Albans|St Andrews|St Asaph|St Davids|Stirling|Stoke-on-Trent|Sunderland|Swansea|Truro|Wakefield|Westminster|Winchester|Wolverhampton|Worcester|Wrexham|York',
  ),
  // Towns
  ...list(
    "Abergavenny|Bude|Diss|Epping|Hove|Hull|Looe|Aberystwyth|Accrington|Aldershot|Altrincham|Andover|Ashford|Aylesbury|Ayr|Banbury|Barnsley|Barnstaple|Barrow-in-Furness|Basildon|Basingstoke|Bedford|Berwick-upon-Tweed|Beverley|Bexhill|Bideford|Birkenhead|Blackburn|Blackpool|Bodmin|Bognor Regis|Bolton|Bournemouth|Bracknell|Brecon|Brentwood|Bridgend|Bridgwater|Bridlington|Brixham|Bromsgrove|Burnley|Burton upon Trent|Bury St Edmunds|Buxton|Caerphilly|Camborne|Cheltenham|Chesterfield|Chippenham|Cirencester|Clacton-on-Sea|Cleethorpes|Clitheroe|Congleton|Corby|Crawley|Crewe|Cromer|Croydon|Darlington|Dartford|Dartmouth|Dewsbury|Didcot|Dorchester|Dorking|Dover|Dudley|Dumfries|Eastbourne|East Kilbride|Epsom|Evesham|Exmouth|Falkirk|Falmouth|Fareham|Farnborough|Farnham|Felixstowe|Folkestone|Fort William|Frome|Galashiels|Gateshead|Gillingham|Glastonbury|Gosport|Grantham|Gravesend|Great Yarmouth|Grimsby|Guildford|Halifax|Harlow|Harrogate|Harrow|Hartlepool|Harwich|Hastings|Hatfield|Havant|Hemel Hempstead|Henley-on-Thames|Hertford|Hexham|High Wycombe|Holyhead|Honiton|Horsham|Huddersfield|Huntingdon|Ilfracombe|Ilkeston|Ipswich|Kendal|Keswick|Kettering|Kidderminster|Kilmarnock|King's Lynn|Kirkcaldy|Lanark|Launceston|Leamington Spa|Leatherhead|Lerwick|Letchworth|Lewes|Livingston|Llandudno|Llanelli|Loughborough|Lowestoft|Ludlow|Luton|Macclesfield|Maidenhead|Maidstone|Malvern|Mansfield|Margate|Matlock|Melton Mowbray|Merthyr Tydfil|Middlesbrough|Minehead|Morecambe|Motherwell|Newbury|Newmarket|Newquay|Newton Abbot|Northallerton|Northampton|Nuneaton|Oakham|Oban|Okehampton|Oldham|Oswestry|Paignton|Paisley|Penrith|Penzance|Pontefract|Pontypridd|Poole|Ramsgate|Rayleigh|Redcar|Redditch|Redhill|Redruth|Reigate|Rhyl|Richmond|Rochdale|Rochester|Romford|Rotherham|Runcorn|Ryde|Saffron Walden|Scarborough|Scunthorpe|Sevenoaks|Shrewsbury|Sidmouth|Sittingbourne|Skegness|Slough|Solihull|South Shields|Southport|Spalding|St Austell|St Helens|St Ives|Stafford|Staines|Stamford|Stevenage|Stockport|Stockton-on-Tees|Stornoway|Stourbridge|Stowmarket|Stratford-upon-Avon|Stroud|Sudbury|Sutton Coldfield|Swindon|Tamworth|Taunton|Tavistock|Teignmouth|Telford|Tewkesbury|Thetford|Thurso|Tiverton|Tonbridge|Torquay|Totnes|Trowbridge|Tunbridge Wells|Uxbridge|Walsall|Warminster|Warrington|Watford|Wellingborough|Welwyn Garden City|Weston-super-Mare|Weymouth|Whitby|Whitehaven|Whitstable|Widnes|Wigan|Windsor|Wisbech|Woking|Wokingham|Workington|Worksop|Worthing|Yeovil",
  ),
  // Counties and regions
  ...list(
    'Bedfordshire|Berkshire|Buckinghamshire|Cambridgeshire|Cheshire|Cornwall|County Durham|Cumbria|Derbyshire|Devon|Dorset|East Sussex|East Anglia|Essex|Gloucestershire|Hampshire|Herefordshire|Hertfordshire|Isle of Wight|Kent|Lancashire|Leicestershire|Lincolnshire|Merseyside|Middlesex|Norfolk|Northamptonshire|Northumberland|North Yorkshire|Nottinghamshire|Oxfordshire|Rutland|Shropshire|Somerset|South Yorkshire|Staffordshire|Suffolk|Surrey|Sussex|Tyne and Wear|Warwickshire|West Midlands|East Midlands|West Sussex|West Yorkshire|Wiltshire|Worcestershire|Yorkshire|Aberdeenshire|Argyll|Ayrshire|Fife|Highland|Lanarkshire|Lothian|Midlothian|Moray|Orkney|Shetland|Perthshire|Anglesey|Carmarthenshire|Ceredigion|Conwy|Denbighshire|Flintshire|Glamorgan|Gwent|Gwynedd|Monmouthshire|Pembrokeshire|Powys|Antrim|County Antrim|County Down|Fermanagh|Tyrone|Dartmoor|Exmoor|Snowdonia|Eryri|Lake District|Peak District|Cotswolds|Hebrides',
  ),
  // London
  ...list(
    'Barnet|Bermondsey|Bethnal Green|Bloomsbury|Brent|Brixton|Bromley|Camden|Camden Town|Canary Wharf|Chiswick|Clapham|Covent Garden|Ealing|Enfield|Finchley|Fulham|Greenwich|Hackney|Hammersmith|Hampstead|Haringey|Hillingdon|Hounslow|Islington|Kensington|Kilburn|Lambeth|Lewisham|Marylebone|Mayfair|Merton|Notting Hill|Paddington|Peckham|Putney|Shoreditch|Soho|Southwark|Stratford|Tottenham|Tower Hamlets|Twickenham|Wandsworth|Wapping|Whitechapel|Whitehall|Wimbledon|Woolwich',
  ),
  // Beyond
  ...list(
    'Africa|Asia|Europe|North America|South America|Argentina|Australia|Austria|Bangladesh|Belgium|Brazil|Bulgaria|Canada|China|Croatia|Cyprus|Czech Republic|Denmark|Egypt|Estonia|Ethiopia|Finland|France|Germany|Ghana|Greece|Hungary|Iceland|India|Indonesia|Iran|Iraq|Israel|Italy|Jamaica|Japan|Kenya|Kuwait|Latvia|Lithuania|Luxembourg|Malaysia|Malta|Mexico|Morocco|Nepal|Netherlands|New Zealand|Nigeria|Norway|Pakistan|Philippines|Poland|Portugal|Qatar|Romania|Russia|Saudi Arabia|Serbia|Singapore|Slovakia|Slovenia|South Africa|South Korea|Spain|Sri Lanka|Sweden|Switzerland|Syria|Taiwan|Thailand|Tunisia|Uganda|Ukraine|United Arab Emirates|United States|United States of America|USA|Vietnam|Zimbabwe|Amsterdam|Athens|Barcelona|Beijing|Berlin|Boston|Brussels|Budapest|Cairo|Chicago|Copenhagen|Cork|Delhi|Dubai|Dublin|Frankfurt|Galway|Geneva|Hamburg|Helsinki|Hong Kong|Istanbul|Johannesburg|Lagos|Lisbon|Los Angeles|Lyon|Madrid|Melbourne|Milan|Montreal|Moscow|Mumbai|Munich|Nairobi|New Delhi|New York|New York City|Oslo|Paris|Prague|Rome|Rotterdam|San Francisco|Seoul|Shanghai|Stockholm|Sydney|Tokyo|Toronto|Vancouver|Venice|Vienna|Warsaw|Washington|Zurich',
  ),
  // Capitals
  ...list(
    'Abu Dhabi|Abuja|Accra|Addis Ababa|Algiers|Ankara|Baghdad|Bangkok|Beirut|Belgrade|Bern|Bogotá|Bratislava|Bucharest|Buenos Aires|Canberra|Cape Town|Caracas|Colombo|Dakar|Damascus|Dar es Salaam|Dhaka|Doha|Freetown|Hanoi|Harare|Havana|Islamabad|Jakarta|Jerusalem|Kabul|Kampala|Karachi|Kathmandu|Khartoum|Kigali|Kinshasa|Kolkata|Kuala Lumpur|Kyiv|Lahore|Ljubljana|Luanda|Lusaka|Manila|Mogadishu|Montevideo|Nicosia|Ottawa|Pretoria|Pristina|Pyongyang|Reykjavik|Riga|Riyadh|Sarajevo|Skopje|Taipei|Tallinn|Tbilisi|Tehran|Tirana|Tripoli|Tunis|Valletta|Vilnius|Windhoek|Yerevan|Zagreb',
  ),
]);

/** Words first, places second: places only behind a preposition of place, or in an address. */
export const AMBIGUOUS_PLACES: ReadonlySet<string> = new Set(
  list(
    'Bath|Battle|Barking|Bury|Chad|Deal|Eye|Georgia|Hook|Jordan|Lincoln|March|Mold|Nelson|Over|Reading|Rugby|Rye|Sale|Sandwich|Settle|Street|Turkey|Ware|Wells|Wick',
  ),
);

/** Shorter names to the one that stands for them. */
export const CANONICAL_PLACES: Readonly<Record<string, string>> = {
  UK: 'United Kingdom',
  USA: 'United States',
  'United States of America': 'United States',
  Newcastle: 'Newcastle upon Tyne',
  Hull: 'Kingston upon Hull',
  Londonderry: 'Derry',
};

/** What a street's name ends in. */
export const STREET_ENDINGS =
  'Street|St|Road|Rd|Lane|Avenue|Ave|Drive|Close|Crescent|Square|Terrace|Gardens|Grove|Place|Hill|Row|Mews|Way|Walk|Parade|Quay|Wharf|Embankment|Mount|Rise|Green|Court';
