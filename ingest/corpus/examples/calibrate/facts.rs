//! Short questions for facts, as people ask them, on a few small documents: how the gate treats what it was not fitted on.

use kubemate_corpus::Language;

/// Documents with questions that they answer and questions that they do not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) language: Language,
    pub(crate) documents: [&'static str; 4],
    /// By document, so many for each as [`Facts::ANSWERS`] says.
    pub(crate) answered: [&'static str; 16],
    pub(crate) unanswered: [&'static str; 16],
}

impl Facts {
    /// Questions that each document answers, in their order.
    const ANSWERS: [usize; 4] = [5, 4, 3, 4];

    /// The document that answers this question.
    pub(crate) fn answered_by(&self, question: usize) -> usize {
        let ends = Self::ANSWERS.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        ends.take_while(|end| *end <= question).count()
    }
}

pub(crate) const FACTS: [Facts; 2] = [CHINESE, ENGLISH];

const CHINESE: Facts = Facts {
    language: Language::Chinese,
    documents: [
        "X200 型打印机自购买之日起提供三年质保，质保期内免费更换故障部件，人为损坏除外。寄修请先在官网登记序列号，来回运费由我司承担。\
         墨盒型号为 HK-31，每个墨盒可打印约 1200 页。本机噪声低于 50 分贝，功率 350 瓦，支持双面打印和无线网络。",
        "员工每年享有十五天带薪年假，未休完的年假可结转至次年三月底。病假需提交医院证明，连续三天以上须由部门经理批准。\
         试用期为三个月，期满前两周进行考核。加班可选择调休或按 1.5 倍工资支付。",
        "差旅报销应在出差结束后三十天内提交。住宿标准为一线城市每晚 500 元，其他城市每晚 350 元。单张发票超过五千元的，需要财务总监审批。\
         机票须通过公司订票系统购买，只报销经济舱。",
        "机房位于二号楼地下一层，进入须刷卡并登记。备份每天凌晨两点执行，保留九十天。核心交换机型号为 S5735，管理地址段为 10.20.0.0/24。\
         发生断电时，不间断电源可支撑四十分钟。值班电话 8812。",
    ],
    answered: [
        "保修期多长",
        "打印机坏了运费谁出？",
        "墨盒是什么型号",
        "一个墨盒能打多少页",
        "打印机功率多大",
        "年假有几天？",
        "没休完的年假怎么办",
        "试用期多久",
        "加班费怎么算",
        "出差回来多久要报销",
        "北京住宿一晚能报多少钱",
        "可以坐商务舱吗",
        "机房在哪里",
        "备份什么时候做",
        "备份保留多久",
        "停电了能撑多长时间",
    ],
    unanswered: [
        "食堂几点开门",
        "公司的股票代码是多少",
        "如何申请停车位",
        "咖啡机怎么清洗",
        "新员工的导师是谁",
        "珠穆朗玛峰有多高",
        "怎样做红烧肉",
        "什么是量子纠缠",
        "明天天气怎么样",
        "巴黎到伦敦的火车要多久",
        "产假有多少天",
        "如何重置邮箱密码",
        "数据库用的是什么版本",
        "会议室怎么预订",
        "公积金缴纳比例",
        "世界杯在哪里举行",
    ],
};

const ENGLISH: Facts = Facts {
    language: Language::English,
    documents: [
        "The X200 printer comes with a three-year warranty from the date of purchase. Broken parts are replaced free of charge; damage by \
         misuse is not covered. Register the serial number on our site before sending it in; we pay shipping both ways. It takes HK-31 \
         cartridges, each good for about 1200 pages. It draws 350 watts and is quieter than 50 dB.",
        "Employees have fifteen days of paid leave a year. Days not taken can be carried over until the end of March. Sick leave needs a \
         doctor's note; three days or more need the approval of the head of department. Probation lasts three months, with a review two weeks \
         before its end. Overtime is taken as time off or paid at one and a half times the usual rate.",
        "Travel expenses are to be handed in within thirty days after the trip. Hotels are paid up to 500 a night in large cities and 350 \
         elsewhere. Invoices above 5000 need the signature of the chief financial officer. Flights are booked through the company's system, economy \
         class only.",
        "The server room is on the lower floor of building two; enter with your card and sign the book. Backups run at two in the morning and are \
         kept for ninety days. The core switch is an S5735, its management network 10.20.0.0/24. In a power cut the batteries last forty \
         minutes. The operator on duty answers at extension 8812.",
    ],
    answered: [
        "How long is the warranty?",
        "Who pays for shipping a broken printer?",
        "Which cartridge does it take?",
        "How many pages does a cartridge print?",
        "How much power does the printer use?",
        "How many vacation days do I get?",
        "What happens to unused leave?",
        "How long is the probation period?",
        "How is overtime compensated?",
        "When do I have to submit travel expenses?",
        "What can I spend on a hotel?",
        "Can I fly business class?",
        "Where is the server room?",
        "When do backups run?",
        "How long are backups kept?",
        "How long do we have during an outage?",
    ],
    unanswered: [
        "When does the canteen open?",
        "What is the company's stock symbol?",
        "How do I apply for a parking space?",
        "How do I clean the coffee machine?",
        "Who is my mentor?",
        "How high is Mount Everest?",
        "How do I cook risotto?",
        "What is quantum entanglement?",
        "What will the weather be like tomorrow?",
        "How long is the train from Paris to London?",
        "How many days of maternity leave are there?",
        "How do I reset my mail password?",
        "Which version of the database do we run?",
        "How do I book a meeting room?",
        "How much does the company pay into the pension?",
        "Where does the World Cup take place?",
    ],
};
