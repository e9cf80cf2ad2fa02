"""Words that tell a name from other text: clinical words that stand with a capital, and words that end a name."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLINICAL = _words(
    """abdomen abnormal abnormality abscess active acute adenopathy air airspace airway allergic and aneurysm angle
    any aorta aortic ap apex apical arch artery asbestos aspiration assessment asthma atelectasis
    atherosclerosis available basal base bases basilar bilateral biopsy bone bones bony bronchial bronchitis
    bronchus calcification calcified cancer cardiac cardiomediastinal cardiomegaly cardiopulmonary carina
    catheter central change changes chest chf chronic clavicle clear clinical comparison complete computed
    congestion congestive consolidation contour contours contrast copd correlation cough covid ct density
    department department's device diaphragm disease disorder dyspnea edema effusion effusions elevated
    emergency emphysema endotracheal enlarged enteric evaluation evidence exam examination exclude failure
    fever fibrosis film findings focal follow followup fracture frontal ganz granuloma heart hemidiaphragm
    hemothorax hernia hiatal hilar hilum history hyperinflation hypertension impression indication infection
    infiltrate infiltration injury interstitial interval intubation is jugular kerley large lateral left
    lesion line lingula lobe lordotic lower lung lungs lymph mass mediastinal mediastinum metastasis
    metastatic middle mild moderate multiple nasogastric new no nodule nodules none normal obstructive
    opacities opacity or osseous pa pacemaker pain parenchymal pericardial peripheral picc placement pleura
    pleural pneumonia pneumonitis pneumothorax portable possible post preoperative prior procedure protocol
    pulmonary radiograph radiology report rib ribs right rule runoff sarcoidosis scarring scoliosis
    screening secondary sepsis shortness shoulder size skin small soft spine stable status sternotomy
    subclavian support surgery surgical swan symptoms syndrome tb thickening thoracic thorax tissue
    trachea tracheal trauma tube tuberculosis tumor tumour unremarkable upper upright vascular vein vena
    ventricular vertebral view views volume with x-ray xray year years"""
)
AFTER_NAME = _words(
    """about after agreed agrees already also am an are as asked at attending by called communicated confirmed
    covering directly discussed during findings for from had has have he her him his immediately in informed
    is it me notified of office on one or over paged per phone pm regarding reports requested resident
    results reviewed said she spoke stated team telephone that the their they this time to today via was
    were when who will with yesterday"""
)
